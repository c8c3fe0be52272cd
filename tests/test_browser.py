"""The notebooks in a real JupyterLab in a real Chromium, moved with the keyboard."""

import os
import re
import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest

from paper_nets import catalog, cost, published
from paper_nets.show.picture import spelled
from tools.jupyter import begin, browser, chromium, finish, lab, new_page

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
SHOTS = os.environ.get("SCREENSHOTS")

# The outputs of the notebooks that have run in here, for tests that would have to run them again.
RAN: dict[str, list[list[dict]]] = {}

pytestmark = pytest.mark.skipif(
    chromium() is None and not os.environ.get("CI"),
    reason="needs Chromium, Chrome, or `playwright install chromium`",
)


@pytest.fixture(scope="module")
def chrome():
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def take(chrome, tmp_path_factory):
    """Gives the page of a notebook when all its cells have run; the next notebook is begun meanwhile, for time."""
    with ExitStack() as stack:
        pages = {}

        def started(name):
            if name not in pages:
                folder = tmp_path_factory.mktemp(name)
                shutil.copytree(NOTEBOOKS, folder, dirs_exist_ok=True)
                address = stack.enter_context(lab(folder))
                pages[name] = new_page(chrome)
                begin(pages[name], address, f"{name}.ipynb")
            return pages[name]

        def wait_for(name):
            page = started(name)
            for following in OPENED[OPENED.index(name) + 1 :][:1]:
                started(following)
            page.bring_to_front()
            RAN[f"{name}.ipynb"] = finish(page)
            assert page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
            assert page.locator("text=Error displaying widget").count() == 0
            return page

        yield wait_for


OPENED = []


def opened(name):
    """A fixture: the page with this notebook, for all tests of it. Fixtures are made in the order of their tests."""
    OPENED.append(name)
    return pytest.fixture(scope="module")(lambda take: take(name))


start = opened("00-start-here")
degradation = opened("01-depth-degradation")
learning = opened("02-residual-learning")
gradients = opened("03-gradients")
derivatives = opened("04-derivatives")
surface = opened("05-loss-surface")
resnets = opened("06-resnets")
dense = opened("07-dense-connectivity")
costs = opened("10-what-it-costs")
reuse = opened("08-feature-reuse")
inside = opened("09-inside")
reproduce = opened("11-reproduce")


def panel(page, control):
    """The panel that has a control of that description."""
    return page.locator(".jp-OutputArea-output .widget-vbox").filter(has_text=control).first


def alt(panel):
    return panel.locator("img").get_attribute("alt")


def wait_for_alt(page, panel, words):
    panel.locator(f"img[alt*='{words}']").wait_for(timeout=120_000)


def shoot(page, name):
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png")


def test_the_table_of_verdicts_leads_to_the_section(start):
    """Also in a notebook that was not open; JupyterLab scrolls no further than until the heading begins to show."""
    start.locator("tr", has_text="C9a").get_by_role("link").click()
    heading = start.locator("h2", has_text="C9: ")
    heading.wait_for()
    start.wait_for_function(
        "heading => heading.getBoundingClientRect().top < innerHeight - 10", arg=heading.element_handle()
    )
    assert heading.bounding_box()["y"] > 0


def test_a_key_on_the_slider_gives_a_new_picture(degradation):
    epochs = panel(degradation, "epoch")
    epochs.scroll_into_view_if_needed()
    wait_for_alt(degradation, epochs, "after epoch 4 of 15")
    picture = epochs.locator("img").get_attribute("src")
    handle = epochs.get_by_role("slider")
    handle.focus()
    degradation.keyboard.press("ArrowLeft")
    wait_for_alt(degradation, epochs, "after epoch 3 of 15")
    assert epochs.locator("img").get_attribute("src") != picture
    degradation.keyboard.press("Home")
    wait_for_alt(degradation, epochs, "after epoch 1 of 15")
    shoot(degradation, "slider")


def test_a_prediction_stands_beside_the_result_and_follows_its_box(degradation):
    box = degradation.get_by_placeholder("your guess").first
    for guess in ("60", "20"):
        box.fill(guess)
        degradation.get_by_text(
            f"training error of plain-56 after 15 epochs (%): you said {guess}, measured"
        ).wait_for()


def test_a_choice_gives_a_new_picture(degradation):
    epochs = panel(degradation, "epoch")
    epochs.locator("select").select_option("test")
    wait_for_alt(degradation, epochs, "test error (%), mean, by depth")


def test_a_net_of_the_readers_own_trains(degradation):
    own = panel(degradation, "shortcuts")
    own.scroll_into_view_if_needed()
    assert own.locator("img").count() == 0
    own.get_by_role("slider").first.focus()
    degradation.keyboard.press("Home")
    own.get_by_role("button", name="shortcuts").click()
    own.get_by_role("button", name="Train").click()
    wait_for_alt(degradation, own, "From epoch 1 to 15, training error (%), test error (%): residual-8")
    own.get_by_role("button", name="Train", disabled=False).wait_for(timeout=120_000)
    shoot(degradation, "own")


def test_the_line_moves_along_the_blocks(learning):
    panels = learning.locator(".jp-OutputArea-output .widget-vbox")
    blocks = panels.filter(has_text="block").filter(has_not_text="Train").first
    blocks.scroll_into_view_if_needed()
    wait_for_alt(learning, blocks, "blocks passed: 9,")
    blocks.get_by_role("slider").focus()
    learning.keyboard.press("ArrowRight")
    wait_for_alt(learning, blocks, "blocks passed: 10,")


def test_a_stack_of_the_readers_own_learns(learning):
    stack = panel(learning, "distance")
    stack.scroll_into_view_if_needed()
    stack.get_by_role("slider").nth(1).focus()
    learning.keyboard.press("Home")
    stack.get_by_label("kind").select_option("residual, F = 0 at first")
    stack.get_by_role("button", name="Train").click()
    wait_for_alt(learning, stack, "2 blocks, distance 0, rate 0.001. From step 0 to 150, ")
    shoot(learning, "stack")


def test_the_gradient_answers_to_a_slider_and_a_switch(gradients):
    explorer = panel(gradients, "batch norm")
    explorer.scroll_into_view_if_needed()
    wait_for_alt(gradients, explorer, "plain-20, gain 1.00")
    level = explorer.locator("img").get_attribute("alt")
    explorer.get_by_role("button", name="batch norm").click()
    explorer.locator(f'img:not([alt="{level}"])').wait_for()
    explorer.get_by_role("slider").first.focus()
    gradients.keyboard.press("ArrowLeft")
    wait_for_alt(gradients, explorer, "plain-14, gain 1.00")
    explorer.locator("select").select_option("resnet")
    wait_for_alt(gradients, explorer, "residual-14, gain 1.00")
    shoot(gradients, "gradient")


def test_gradients_while_a_net_trains(gradients):
    own = gradients.locator(".jp-OutputArea-output .widget-vbox").filter(
        has=gradients.get_by_role("button", name="Train")
    )
    own.scroll_into_view_if_needed()
    own.get_by_role("slider").focus()
    gradients.keyboard.press("Home")
    own.get_by_role("button", name="Train").click()
    wait_for_alt(gradients, own, "plain-8 after epoch 5, training error ")


def test_the_singular_values_of_another_block(derivatives):
    blocks = derivatives.locator(".jp-OutputArea-output .widget-vbox").filter(
        has=derivatives.locator("img[alt*='singular values, block 10']")
    )
    blocks.scroll_into_view_if_needed()
    blocks.get_by_role("slider").focus()
    derivatives.keyboard.press("ArrowRight")
    derivatives.locator("img[alt*='singular values, block 11']").wait_for()


def test_the_loss_at_another_depth_and_from_another_side(surface):
    landscapes = panel(surface, "depth")
    landscapes.scroll_into_view_if_needed()
    wait_for_alt(surface, landscapes, "plain-44 ")
    landscapes.get_by_role("slider").first.focus()
    surface.keyboard.press("ArrowRight")
    wait_for_alt(surface, landscapes, "plain-56 1.5 at the trained net, 6.9e+06 at most")
    landscapes.get_by_text("of the batch", exact=True).click()
    wait_for_alt(surface, landscapes, "plain-56 1.5 at the trained net, 3.1 at most")
    shoot(surface, "landscapes")


def test_the_bottleneck_answers_to_its_sliders(resnets):
    blocks = panel(resnets, "expansion")
    blocks.scroll_into_view_if_needed()
    wait_for_alt(resnets, blocks, "bottleneck 256–64–64–256 69,632,")
    blocks.get_by_role("slider").nth(1).focus()
    resnets.keyboard.press("ArrowLeft")
    wait_for_alt(resnets, blocks, "bottleneck 192–64–64–192 61,440,")
    blocks.get_by_role("slider").first.focus()
    resnets.keyboard.press("ArrowRight")
    wait_for_alt(resnets, blocks, "bottleneck 240–80–80–240 96,000,")
    shoot(resnets, "bottleneck")


def test_depth_by_epoch_and_a_choice(resnets):
    depths = panel(resnets, "epoch")
    depths.locator("select").select_option("test")
    wait_for_alt(resnets, depths, "test error (%), mean, by depth")


def test_another_block_is_taken_out(resnets):
    lesions = resnets.locator(".jp-OutputArea-output .widget-vbox").filter(
        has=resnets.locator("img[alt*='from the input: 5,']")
    )
    lesions.scroll_into_view_if_needed()
    lesions.get_by_role("slider").focus()
    resnets.keyboard.press("ArrowRight")
    resnets.locator("img[alt*='from the input: 6,']").wait_for()
    shoot(resnets, "lesions")


def test_the_growth_rate_under_the_readers_hand(dense):
    explorer = dense.locator(".jp-OutputArea-output .widget-vbox").filter(has_text="preset")
    explorer.scroll_into_view_if_needed()
    wait_for_alt(dense, explorer, "DenseNet-121: 7,978,856 parameters")
    explorer.get_by_role("slider").first.focus()
    dense.keyboard.press("ArrowLeft")
    wait_for_alt(dense, explorer, "a net of your own")
    wait_for_alt(dense, explorer, "block 1: 64 + 6 × 31 = 250; transition to 125")
    price = cost("densenet121", growth_rate=31, stem_channels=64)
    assert alt(explorer).startswith(
        f"a net of your own: {price.parameters:,} parameters, {price.multiply_adds / 1e9:.3f} 10⁹ multiply–adds, "
        f"{price.activation_bytes / 1e6:,.1f} MB of activations per image in training, 121 layers deep. "
    )
    explorer.locator("select").select_option("densenet_bc190_k40")
    wait_for_alt(dense, explorer, "DenseNet-BC-190 (k = 40): 25,624,430 parameters")
    shoot(dense, "explorer")
    explorer.get_by_role("slider").nth(1).focus()
    dense.keyboard.press("Home")
    explorer.get_by_text("blocks is (0, 31, 31)").wait_for()
    assert "DenseNet-BC-190 (k = 40)" in alt(explorer)


def test_theta_halves_the_maps(dense):
    panels = dense.locator(".jp-OutputArea-output .widget-vbox")
    theta = panels.filter(has_text="channels in").filter(has_text="θ").filter(has_not_text="preset")
    theta.scroll_into_view_if_needed()
    wait_for_alt(dense, theta, "θ = 0.5: of 100 maps 50 are left")
    theta.get_by_role("slider").nth(1).focus()
    dense.keyboard.press("ArrowRight")
    wait_for_alt(dense, theta, "θ = 0.55: of 100 maps 55 are left")
    shoot(dense, "theta")


def test_the_winner_changes_with_the_currency(costs):
    shop = panel(costs, "budget")
    shop.scroll_into_view_if_needed()
    wait_for_alt(costs, shop, "best: DenseNet-201")
    shop.locator("select").nth(1).select_option("activation memory")
    wait_for_alt(costs, shop, "residual: none fits; dense: none fits")
    shop.get_by_role("slider").focus()
    for megabytes in (30, 35):
        costs.keyboard.press("ArrowRight")
        wait_for_alt(costs, shop, f"budget: {megabytes} MB")
    resnets = published("resnet_imagenet").query("test == 'val single-crop'").set_index("net").top1_error_pct
    errors = {**resnets, **published("densenet_imagenet").set_index("net").top1_single_crop_pct}
    within = [net for net in errors if cost(net).activation_bytes <= 35e6]
    wait_for_alt(costs, shop, f"best: {spelled(min(within, key=errors.get))}")
    shop.get_by_role("slider").focus()
    for megabytes in (40, 50):
        costs.keyboard.press("ArrowRight")
        wait_for_alt(costs, shop, f"budget: {megabytes} MB")
    shop.get_by_role("button", name="memory-efficient").click()
    wait_for_alt(costs, shop, "best: DenseNet-264")
    shoot(costs, "shop")


def test_nets_in_another_order(costs):
    order = panel(costs, "by")
    order.locator("select").select_option("activation memory")
    wait_for_alt(costs, order, "activation bytes: plain")
    assert re.search(r"DenseNet\S*( \(k = \d+\))?", alt(order)).group() == "DenseNet-BC-190 (k = 40)"


def test_a_column_puts_the_rows_in_order(costs):
    table = costs.locator(".jp-OutputArea-output table").filter(has_text="activation_bytes").first
    cells = {name: cost(name).total.parameters for name in catalog().index}
    for order, reverse in (("ascending", False), ("descending", True)):
        table.get_by_role("button", name="parameters", exact=True).click()
        assert table.get_by_role("columnheader", name=re.compile("^parameters")).get_attribute("aria-sort") == order
        shown = table.locator("tbody tr td:first-child").all_text_contents()
        assert [cells[name] for name in shown] == sorted(cells.values(), reverse=reverse)
    # Names in the order of the alphabet; what the papers don't print comes last.
    table.get_by_role("button", name="net").click()
    assert table.locator("tbody tr td:first-child").all_text_contents() == sorted(cells)
    for _ in range(2):
        table.get_by_role("button", name="printed: 10⁶ parameters").click()
        printed = table.locator("tbody tr td:nth-child(7)").all_text_contents()
        assert printed[0] and not printed[-1] and len(printed) == len(cells)


def test_a_connection_is_framed_and_told_of(reuse):
    look = panel(reuse, "source")
    look.scroll_into_view_if_needed()
    wait_for_alt(reuse, look, "Block 3, source 0 to target 7")
    look.get_by_role("slider").first.focus()
    reuse.keyboard.press("ArrowLeft")
    wait_for_alt(reuse, look, "Block 2, source 0 to target 7")
    look.get_by_role("slider").nth(2).focus()
    reuse.keyboard.press("Home")
    wait_for_alt(reuse, look, "Block 2, source 0 to target 1")
    look.get_by_role("slider").nth(1).focus()
    reuse.keyboard.press("ArrowRight")
    look.get_by_role("status").filter(has_text="Source 1 is not before target 1").wait_for()
    shoot(reuse, "connection")


def test_a_picture_after_another_block(inside):
    maps = panel(inside, "block")
    maps.scroll_into_view_if_needed()
    wait_for_alt(inside, maps, "after block 2: 16 maps, 8 × 8")
    maps.get_by_role("slider").first.focus()
    for _ in range(2):
        inside.keyboard.press("ArrowRight")
    wait_for_alt(inside, maps, "after block 4: 32 maps, 4 × 4")
    maps.get_by_role("combobox").select_option("flower")
    wait_for_alt(inside, maps, "flower, residual-20. after the stem: 16 maps, 32 × 32")
    shoot(inside, "inside")


def test_the_workshop_stops_and_goes_on(reproduce):
    """As it is first set it trains what the notebook has trained above; stopped on the way, to the same numbers."""
    workshop = reproduce.locator(".jp-OutputArea-output .widget-vbox").filter(has_text="only say how long").first
    workshop.scroll_into_view_if_needed()
    status = workshop.get_by_role("status")
    only, start = workshop.get_by_role("checkbox"), workshop.get_by_role("button", name="Start, or go on")
    only.check()
    start.click()
    status.filter(has_text="on this machine: plain20").wait_for()
    only.uncheck()
    workshop.get_by_role("button", name="Start, or go on").click()
    wait_for_alt(reproduce, workshop, "plain-20 training")
    workshop.get_by_role("button", name="Stop").click()
    status.filter(has_text="Stopped.").wait_for()
    workshop.get_by_role("button", name="Start, or go on").click()
    status.filter(has_text="Done.").wait_for(timeout=120_000)
    above = [output["data"]["text/plain"] for cell in RAN["11-reproduce.ipynb"] for output in cell if "data" in output]
    assert alt(workshop) in above and "residual-20 training" in alt(workshop)
    shoot(reproduce, "workshop")
