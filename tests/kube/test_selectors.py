"""Just enough of the selector grammars."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgate.kube.selectors import field_requirements, is_label_selector, required_name


@pytest.mark.parametrize(
    ("selector", "requirements"),
    [
        ("", []),
        (",,", []),
        ("metadata.name=web-0", [("metadata.name", "=", "web-0")]),
        ("a==b,c!=d", [("a", "=", "b"), ("c", "!=", "d")]),
        ("b=1,a=2", [("a", "=", "2"), ("b", "=", "1")]),
        (r"a=x\,y", [("a", "=", "x,y")]),
        (r"a=x\\", [("a", "=", "x\\")]),
        (r"a=x\=y", [("a", "=", "x=y")]),
        ("=", [("", "=", "")]),
        (r"a\,b=c", [(r"a\,b", "=", "c")]),
        ("a\n=b\n", [("a\n", "=", "b\n")]),
    ],
)
def test_field_selectors_that_the_api_server_reads(selector: str, requirements: list[tuple[str, str, str]]) -> None:
    assert field_requirements(selector) == requirements


@pytest.mark.parametrize("selector", ["a", "a=b=c", "a===b", "a=b,c", r"a=\x", "a=b\\", "\\", "a=b,\\"])
def test_field_selectors_that_it_does_not(selector: str) -> None:
    assert field_requirements(selector) is None and required_name(selector) is None


def test_the_name_is_the_first_in_the_order_of_the_terms_text() -> None:
    assert required_name("metadata.name=b,metadata.name=a") == "a"
    assert required_name("metadata.name=z,metadata.name==a") == "a", "= sorts like any other character"
    assert required_name("metadata.namespace=x") == "" == required_name("metadata.name!=x")


@pytest.mark.parametrize("name", [".", "..", "a/b", "a%b"])
def test_a_name_that_is_no_path_segment_is_none(name: str) -> None:
    assert required_name(f"metadata.name={name}") == ""


@given(st.dictionaries(st.from_regex(r"[a-z.]{1,8}", fullmatch=True), st.text("ab\\,=!", max_size=8), min_size=1, max_size=4))
@settings(max_examples=200)
def test_escaped_values_come_back(wanted: dict[str, str]) -> None:
    escaped = {key: value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=") for key, value in wanted.items()}
    found = field_requirements(",".join(f"{key}={value}" for key, value in escaped.items()))
    assert found is not None and {key: value for key, _, value in found} == wanted


@pytest.mark.parametrize(
    "selector",
    [
        "", " ", "app", "!app", "! app", "app=web", "app==web", "app!=web", "app = web , tier=x", "app in (a,b)", "app notin ( a , b )", "app=",
        "example.com/app=web", "a.b_c=1.2_3", "x,y,!z", "a" * 63, "k=" + "v" * 63, "app=in",
    ],
)  # fmt: skip
def test_label_selectors_that_the_api_server_surely_reads(selector: str) -> None:
    assert is_label_selector(selector)


@pytest.mark.parametrize(
    "selector",
    [
        ",a", "a,", "a,,b", "=x", "-a", "a=-b", "a=b c", "a b", "a in b", "a in (b", "!a=b", "A.b/UPPER x", "UPPER/a=b", "a/b/c", "a=b/c", "a" * 64,
        "k=" + "v" * 64, "a=b\0", "a=b;", "é=b", "a=b\x0b", "x=" + "y," * 600,
    ],
)  # fmt: skip
def test_label_selectors_that_it_does_not(selector: str) -> None:
    assert not is_label_selector(selector)


@pytest.mark.parametrize(
    ("most", "one_more"),
    [
        ("k" * 63, "k" * 64),
        ("k=" + "v" * 63, "k=" + "v" * 64),
        ("p" * 253 + "/k", "p" * 254 + "/k"),
        ("k in (" + "v" * 63 + ")", "k in (" + "v" * 64 + ")"),
        (",".join(["k" * 63] * 16) + " ", ",".join(["k" * 63] * 16) + "  "),
    ],
)
def test_label_selectors_have_an_end_to_each_name_and_to_all(most: str, one_more: str) -> None:
    """Kubernetes' 63 and 253; and of 1024 characters beside a name, which nobody needs, nothing is looked at."""
    assert is_label_selector(most) and not is_label_selector(one_more)
