"""How well anomalies tell incidents that are known: those of a made-up past, or one's own."""

from collections.abc import Iterator, Sequence

from rtcdp.anomalies import Alarm, Labels, Verdict, judge_alarms, ms_of
from rtcdp.answers.anomalies import AnomaliesQuestion, Anomaly, anomalies_page
from rtcdp.answers.freshness import Installation
from rtcdp.answers.instant import read_instant
from rtcdp.answers.metrics import find_metric


def evaluate_anomalies(
    installation: Installation, labels: Labels, metrics: Sequence[str] = ()
) -> Verdict:
    """How well the anomalies of the labels' time tell what they say: those of some metrics, else of
    all that are watched. Raises what `anomalies_page` raises."""
    told = [each for name in (metrics or (None,)) for each in _between(installation, labels, name)]
    return judge_alarms(labels, [_alarm(installation, each) for each in told])


def _between(installation: Installation, labels: Labels, metric: str | None) -> Iterator[Anomaly]:
    question = AnomaliesQuestion(
        metric=metric, start_from=ms_of(labels.begin), start_to=ms_of(labels.end), limit=1000
    )
    while True:
        page = anomalies_page(installation, question)
        yield from page.items
        if page.next_cursor is None:
            return
        question = AnomaliesQuestion(
            metric=metric,
            start_from=question.start_from,
            start_to=question.start_to,
            limit=question.limit,
            cursor=page.next_cursor,
        )


def _alarm(installation: Installation, anomaly: Anomaly) -> Alarm:
    return Alarm(
        metric=find_metric(installation.metrics, anomaly.metric),
        key=anomaly.key,
        start_ms=read_instant("window_start", anomaly.window_start),
        end_ms=read_instant("window_end", anomaly.window_end),
        direction=anomaly.direction,
    )
