"""What the observations mean: a pure function, observations in, findings out.

A finding needs a difference that this one consultation shows twice, or by its
construction: somebody who is answered when others leave, and not before; a wait that
goes away when one thing is changed. Bounds are ratios within the consultation, so that
they hold on a slow machine as well as on a quick one; the few absolute ones keep what
nobody would notice from being called a fault.
"""

from __future__ import annotations

from lab.doctor import (
    judge_errors,
    judge_growth,
    judge_holders,
    judge_http,
    judge_process,
    judge_waits,
)
from lab.doctor.finding import Verdict, listed
from lab.doctor.observations import Observations

#: Findings of at least this weight are named behind the first.
WEIGHTY = 60
#: And of less than this, they are no more than noted.
LEADING = 50
#: Clients were watched long enough to say in the first sentence that none was ended.
WORTH_SAYING_S = 12.0

JUDGES = (
    judge_waits.gone,
    judge_waits.closing,
    judge_waits.waiting,
    judge_waits.slow_first,
    judge_errors.failing,
    judge_errors.unfair,
    judge_growth.growing,
    judge_growth.costly,
    judge_growth.rare,
    judge_holders.holding,
    judge_holders.crowding,
    judge_holders.slow,
    judge_http.protocol,
    judge_process.process,
    judge_process.deadlines,
    judge_process.ending,
)


def verdict(seen: Observations) -> Verdict:
    """Everything that can be said."""
    said = Verdict()
    for judge in JUDGES:
        judge(seen, said)
    for what, why in seen.notes.items():
        said.open(what, why)
    said.findings.sort(key=lambda finding: -finding.weight)
    said.first = first_sentence(seen, said)
    return said


def first_sentence(seen: Observations, said: Verdict) -> str:
    leads = said.findings and said.findings[0].weight >= LEADING
    answers = any(point.requests for point in seen.growth)
    if not leads and seen.contact and not (seen.split and answers and seen.held):
        return (
            "Too little could be seen to say what holds the server back: one request "
            f"takes {seen.contact.first_ms / 1e3:.1f} s."
            if seen.contact.first_ms > 300
            else "Too little was seen to say what holds the server back."
        )
    if not said.findings:
        watched = judge_process.none_ended_within(seen)
        if watched >= WORTH_SAYING_S:
            return (
                "Nothing was found that holds the server back; what stays open is "
                f"whether it has deadlines: within {watched:.0f} s it did not close "
                "the connection of a client that stops half-way."
            )
        short = " by what was tried" if seen.interrupted else ""
        return f"Nothing was found that holds the server back{short}."
    lead, *others = said.findings
    if lead.weight < LEADING:
        small = listed(each.short for each in said.findings)
        return f"Nothing was found that holds the server back, only {small}."
    behind = [each.short for each in others if each.weight >= WEIGHTY][:3]
    if not behind:
        return f"{lead.sentence}."
    return f"{lead.sentence}. Behind it: {listed(behind)}."
