"""`pairity doctor`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from pairity_cli.context import CONTROL_URL, EXCHANGE_URL, echo, reports_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from serving.doctor.examination import Result


class CheckNames(click.ParamType):
    """Comma-separated names of checks and groups."""

    name = "checks"

    def convert(
        self, value: str | tuple[str, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the names; click.BadParameter lists those that exist."""
        from pairity.errors import UnknownNameError
        from serving.doctor.catalogue import choose_checks

        if isinstance(value, tuple):
            return value
        names = tuple(name.strip() for name in value.split(",") if name.strip())
        try:
            choose_checks(names)
        except UnknownNameError as error:
            self.fail(f"{error.what}: {error.remedy}", param, ctx)
        return names


@click.command()
@click.option("--live", is_flag=True, help="Ask whether real money may be traded, too.")
@click.option("--only", type=CheckNames(), default=(), metavar="A,B,…", help="Only these checks or groups.")
@click.option("--skip", type=CheckNames(), default=(), metavar="A,B,…", help="Not these checks or groups.")
@click.option("--strict", is_flag=True, help="Exit with 1 where there are warnings, or checks that could not look.")
@click.option("--json", "as_json", is_flag=True, help="For programs; docs/doctor.md has the format.")
@EXCHANGE_URL
@CONTROL_URL
@reports_errors
def doctor(
    live: bool,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    strict: bool,
    as_json: bool,
    exchange_url: str | None,
    control_url: str | None,
) -> None:
    """Say what is wrong here, how sure that is, and which command mends it. Nothing is changed.

    Looks at machine, settings, data directory, venue, account, journal, model and data, beside a running trading
    process too. Exit code 0: no fault; 1: with --strict, warnings; 2: faults.
    """
    from pairity_cli.trial_findings import find_trial_flaws
    from serving.doctor.case import open_case
    from serving.doctor.catalogue import choose_checks
    from serving.doctor.examination import examine
    from serving.doctor.report import choose_exit_code, make_document

    exchange = {name: value for name, value in (("url", exchange_url), ("control_url", control_url)) if value}
    overrides = {"exchange": exchange} if exchange else None
    case = open_case(live=live, overrides=overrides, find_trial_flaws=find_trial_flaws)
    results = examine(case, choose_checks(only, skip))
    if as_json:
        echo(json.dumps(make_document(case, results, strict=strict), ensure_ascii=False, indent=1))
    else:
        _show(results)
    sys.exit(choose_exit_code(results, strict=strict))


def _show(results: Sequence[Result]) -> None:
    from pairity_cli.tables import print_heading, print_line
    from serving.doctor.report import order_results, write_verdict

    for result in order_results(results):
        print_heading(f"{result.check.group}: {result.check.name}")
        for item in sorted(result.findings, key=lambda finding: finding.severity.rank):
            print_line(f"{item.severity.upper()}: {item.what}")
            print_line(f"  {item.sure}: {item.fact}")
            print_line(f"  → {item.command}")
    skipped = [result for result in results if result.reason]
    if skipped:
        print_heading("not made")
        for result in skipped:
            print_line(f"{result.check.name}: {result.reason}")
    print_heading("verdict")
    print_line(write_verdict(results))
