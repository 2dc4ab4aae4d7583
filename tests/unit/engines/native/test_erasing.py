from rtcdp.engines.native.erasing import erase_places, finish_erasures
from rtcdp.log.views import BoundedLogReader
from tests.properties.test_erasure import SALT, Shop


def test_a_log_that_can_t_erase_is_left_alone_and_nothing_is_left_to_finish(tmp_path):
    shop = Shop(tmp_path, 4)
    shop.visit(20)
    assert erase_places(BoundedLogReader(shop.log, {0: 21}), [(0, 0)]) == 0
    done = shop.engine.erase(shop.users[0], SALT)
    assert done.log_records == sum(done.records.values())
    assert done.log_is_erasable
    assert finish_erasures(shop.log, shop.store) == 0
    again = shop.engine.erase(shop.users[0], SALT)
    assert (again.records.get("admitted", 0), again.rows, again.log_records) == (0, {}, 0)
    shop.close()
