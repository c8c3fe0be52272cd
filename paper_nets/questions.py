"""What the notebooks ask their readers: a check for each question, against the nets themselves.

A check says what is off about an answer; the solutions are in the notebooks, folded up.
"""
