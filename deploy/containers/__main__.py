"""Build and run the containers of `deploy/` from a terminal: `python -m deploy.containers`."""

import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from deploy.containers import checks
from deploy.containers.images import remove_storage
from deploy.containers.podman import ContainersFailed, podman_in
from deploy.tools import PINS, exit_code_of, pinned_environment
from rtcdp.cli.terminal import remark


class Step(StrEnum):
    """A part of the whole that can be had alone."""

    images = "images"
    embedded = "embedded"
    full = "full"
    kubernetes = "kubernetes"


ASKED = frozenset({Step.embedded, Step.full, Step.kubernetes})
"""Where, of all together, each name in an alert rule has to have a series."""

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def containers(
    steps: Annotated[
        list[Step] | None, typer.Argument(help="What to do after the images; else everything.")
    ] = None,
    folder: Annotated[
        Path, typer.Option("--dir", help="Where images and volumes are while it runs.")
    ] = Path("build/containers"),
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the images, so that the next time is faster.")
    ] = False,
) -> None:
    """Build the images, run both profiles and the pods of Kubernetes, and take everything down."""
    began = time.monotonic()

    def tell(line: str) -> None:
        remark(Text(f"{time.monotonic() - began:6.0f} s  {line}"))

    wanted = steps or list(Step)
    podman = podman_in(folder)
    tools = pinned_environment(podman.folder / "tools", PINS)
    try:
        podman.remove_all()
        checks.check_unit(podman.folder, tell)
        with_spark = Step.full in wanted or wanted == [Step.images]
        checks.make_images(
            podman,
            tell,
            with_servers=with_spark or Step.kubernetes in wanted,
            with_spark=with_spark,
        )
        unseen = [
            checks.check_profile(podman, tools, step.value, tell)
            for step in (Step.embedded, Step.full)
            if step in wanted
        ]
        told: frozenset[str] = frozenset()
        if Step.kubernetes in wanted:
            told = checks.check_kubernetes(podman, tools, tell)
        if set(wanted) >= ASKED and (never := frozenset.intersection(*unseen) - told):
            raise ContainersFailed(
                f"alert rules ask for what nothing tells: {', '.join(sorted(never))}",
                "mend deploy/prometheus/alerts.yml",
            )
        tell("done")
    finally:
        podman.remove_all()
        if not keep:
            podman.succeeds("rmi", "--all", "--force", within_s=300)
            remove_storage(podman.folder)


def main() -> int:
    """Run the command line; the exit code."""
    return exit_code_of(lambda: app(prog_name="python -m deploy.containers"))


if __name__ == "__main__":
    sys.exit(main())
