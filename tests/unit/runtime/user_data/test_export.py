from rtcdp.runtime.settings import Settings
from rtcdp.runtime.user_data.export import encoded, export_user
from tests.properties.test_erasure import Shop


def test_each_record_of_a_user_is_given_out_with_its_verdict(tmp_path):
    shop = Shop(tmp_path, 6)
    for _ in range(4):
        shop.visit(60)
    user = shop.users[1]
    lines = list(export_user(Settings(data_dir=tmp_path), shop.log, shop.store, user))
    records = [line for line in lines if line["kind"] == "record"]
    assert {line["event"]["userId"] for line in records} == {user}
    assert {line["kind"] for line in lines} == {"record", "metric", "fold", "timeline"}
    names = [each.encode() for each in shop.users if each != user]
    others = [line for line in lines if any(name in encoded(line) for name in names)]
    assert others == []
    shop.close()
