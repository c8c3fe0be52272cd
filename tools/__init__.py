"""What keeps the notebooks, their pages and their figures of speed up to date; nothing that a reader imports."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
