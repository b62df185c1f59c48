"""Policy files that somebody wrote to stop the gate, or by a slip that might: each is refused, with its line."""

from __future__ import annotations

HEAD = 'rules:\n  - name: r\n    who: {users: ["*"]}\n    clusters: {names: ["*"]}\n'
WHEN = HEAD.replace("{", "{{").replace("}", "}}") + "    allow: [{{actions: [exec]}}]\n    when: {{expression: '{}'}}\n"
RULE = "  - {{name: r{}, who: {{users: [a]}}, clusters: {{names: [c]}}, allow: [{{actions: [exec]}}], when: {{expression: '{}'}}}}\n"
SLIP = "  - {{name: r{0}, who: {{people: [taem-{0}x]}}, clusters: {{names: [c]}}, allow: [{{actions: [exec]}}]}}\n"
HOSTILE = {
    "deep nesting": "rules: " + "[" * 10_000,
    "aliases": "rules: &a [*a, *a]",
    "laughs": "a: &a [x, x]\nb: &b [*a, *a]\nrules: *b",
    "many keys": "".join(f"k{number}: 1\n" for number in range(5_000)) + "rules: []",
    "wrong types": "rules: [" + "7, " * 20_000 + "7]",
    "a bad name": HEAD.replace("name: r", "name: [r]") + "    allow: 7\n",
    "tags": "rules: !!python/name:os.system []",
    "a control character": "rules:\n  - [\x07]",
    "an expression of nested loops": WHEN.format("identity.groups.exists(a, " * 20 + "true" + ")" * 20),
    "an expression that doubles": WHEN.format("identity.user" + ".replace(identity.user, identity.user + identity.user)" * 9 + ' == ""'),
    "an expression with an endless pattern": WHEN.format('identity.user.matches("' + "(a|aa)+" * 2000 + '")'),
    "a pattern that does not compile": WHEN.format('identity.user.matches("((a{1,100}){1,100}){1,100}")'),
    "the same slip a thousand times": "people:\n"
    + "".join(f"  team-{number}: {{users: [u]}}\n" for number in range(1000))
    + "rules:\n"
    + "".join(SLIP.format(number) for number in range(1000)),
    "keys that nobody knows": HEAD + "".join(f"    k{number}: 1\n" for number in range(10_000)),
    "an expression of parentheses": WHEN.format("(" * 2000 + "true" + ")" * 2000),
    "an expression that is endless": WHEN.format("true || " * 10_000 + "true"),
    "many expressions": "rules:\n" + "".join(RULE.format(number, "[" + ",".join(["1"] * 2000) + "].size() > 0") for number in range(400)),
    "a template of braces": HEAD + "    allow: [{verbs: [get], resources: [pods], namespaces: ['" + "{" * 100_000 + "']}]\n",
    "a huge number": HEAD + "    allow: [{actions: [port-forward], ports: [" + "9" * 100_000 + "]}]\n",
    "a set of itself": "people: {a: {people: [a]}}\nrules: []",
    "many files": "--- # kgate policy file: a.yaml\nrules: []\n" * 10_000 + "rules: {",
}
HARMLESS = {
    "a huge glob": HEAD + "    allow: [{verbs: [get], resources: [pods], names: ['" + "*a" * 100_000 + "']}]\n",
    "a pattern of patterns": WHEN.format('identity.user.matches("' + "(a|aa)+" * 300 + '$")'),
    "a pattern of repetitions": WHEN.format('identity.user.matches("((a{1,9}){1,9}){1,9}")'),
}
"""What only looks so: globs and patterns take linear time (RE2)."""
