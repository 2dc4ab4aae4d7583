from pymongo import MongoClient

from rtcdp.store.mongo import values_with


def test_every_document_is_looked_into_and_slices_are_told(mongo_url):
    with MongoClient(mongo_url) as client:
        database = client.get_default_database()
        database["some"].insert_many([{"_id": n, "value": f"user-{n}"} for n in range(2500)])
        database["others"].insert_one({"_id": "5:ada", "list": [{"é": b"\xffada"}], "n": 7})
    slices = []
    found = list(values_with(mongo_url, [b"ada", b"user-2499"], lambda: slices.append(1)))
    assert [name for name, _ in found] == ["others", "some"]
    assert found[0][1].count(b"ada") == 2
    assert len(slices) >= 4
    assert list(values_with(mongo_url, [b"eve"])) == []
