"""What is asked of a platform in containers is read from the README and from alert rules."""

from pathlib import Path

import yaml

from deploy.containers.questions import curl_commands, metrics_in

ROOT = Path(__file__).parents[4]


def test_commands_of_the_readme_are_whole_however_many_lines_they_have():
    commands = list(curl_commands((ROOT / "README.md").read_text()))
    assert len(commands) >= 10
    (sent,) = (each for each in commands if "localhost:8081/v1/events" in each)
    assert sent.count("\n") == 2
    assert sent.endswith("}'")
    page = "```sh\nmake up\ncurl localhost:1/a \\\n  -X GET\ncurl https://else.where/b\n```\n"
    assert list(curl_commands(page)) == ["curl localhost:1/a   -X GET"]


def test_metrics_of_an_alert_are_found_without_labels_and_functions():
    rule = 'sum by (instance) (rate(rtcdp_a_total{reason=~"up|b"}[1m])) > 0 or up{job="c"} == 0'
    assert metrics_in(rule) == {"rtcdp_a_total", "up"}
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())
    for group in rules["groups"]:
        assert all(metrics_in(each["expr"]) for each in group["rules"])
