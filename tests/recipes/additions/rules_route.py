"""The address of the rules that were in force."""

from rtcdp.answers.rules_in_force import RulesQuestion, rules_page

from rtcdp.api.pages import PageAt
from rtcdp.api.query import Asked

RULES_PAGE = PageAt(
    "/api/rules", "rules_in_force", rules_page, Asked(RulesQuestion), "The rules in force"
)
