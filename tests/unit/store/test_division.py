"""Which partitions make a shard, and how many shards a processor should have."""

import pytest

from rtcdp.store.division import Division, share_of


def test_every_partition_is_of_one_shard():
    division = Division(shards=3, partitions=7)
    parts = [division.partitions_of(shard) for shard in range(3)]
    assert parts == [(0, 3, 6), (1, 4), (2, 5)]
    assert all(division.shard_of(p) == shard for shard, own in enumerate(parts) for p in own)


@pytest.mark.parametrize(
    ("members", "shares"),
    [("a", [4]), ("ab", [2, 2]), ("abc", [2, 1, 1]), ("abcde", [1, 1, 1, 1, 0])],
)
def test_every_member_has_its_share(members, shares):
    assert [share_of(member, members, 4) for member in members] == shares
