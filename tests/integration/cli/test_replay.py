"""From a recorded file to answers that a second, naive computation agrees with."""


def test_a_shop_s_day_is_counted_to_the_last_line_and_verified(rtcdp, shop, tmp_path):
    replayed = rtcdp("replay", shop, "--mapping", "rees46", "--data-dir", tmp_path)
    assert replayed.returncode == 0
    assert replayed.stdout.endswith(
        "received 501 = admitted 500 + duplicate 0 + late 0 + dead letter 1 ✓\n"
    )
    verified = rtcdp("verify", "--data-dir", tmp_path)
    assert (verified.returncode, verified.stdout[:14]) == (0, "no difference:")


def test_log_and_store_may_lie_apart(rtcdp, shop, tmp_path):
    apart = ("--log", f"embedded:{tmp_path / 'l'}", "--store", f"sqlite:{tmp_path / 's.db'}")
    for command in (["replay", shop, "--mapping", "rees46"], ["verify"], ["ledger"]):
        done = rtcdp(*command, "--data-dir", tmp_path / "d", *apart)
        assert done.returncode == 0, done.stderr
    assert "received 501" in done.stdout
