"""What the made-up shop says of its products."""

from rtcdp.events.product_update import ProductUpdate, decode_product_update
from rtcdp.sources.synthetic.products import product_lines
from rtcdp.sources.synthetic.shoppers import Shop


def test_each_product_is_told_as_an_update_that_a_collector_takes() -> None:
    said = [decode_product_update(line) for line in product_lines()]
    assert all(isinstance(update, ProductUpdate) for update in said)
    by_id = {update.product_id: update.category for update in said}
    assert by_id == {product.product_id: product.category for product in Shop().products}
    assert len(by_id) == len(said)
