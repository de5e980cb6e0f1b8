"""What can be set about Vayana, and what is refused before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ims_async import (
    GoodsType,
    ImsError,
    InvalidInput,
    NotAuthorized,
    NotSupported,
    SourceForm,
    SupplierSection,
    Vayana,
)
from ims_async.gsp.base import Gsp
from ims_async.model.secret import Secret
from tests.support.recorded import first_request
from tests.support.vayana_talk import GSP, GSTIN, HOST, INVOICE, SESSION, SSO, converse


@pytest.mark.parametrize(
    ("settings", "base", "sso"),
    [
        ({}, "https://live.enriched-api.vayana.com", "https://services.vayana.com/theodore/apis/v1"),
        ({"test": True}, HOST, SSO),
        ({"base_url": "https://eas.example/"}, "https://eas.example",
         "https://eas.example/theodore/apis/v1"),
        ({"base_url": "http://127.0.0.1:8080"}, "http://127.0.0.1:8080",
         "http://127.0.0.1:8080/theodore/apis/v1"),
        ({"base_url": "https://eas.example", "sso_url": "https://sso.example/v1/"}, "https://eas.example",
         "https://sso.example/v1"),
        ({"sso_url": "http://localhost:1/v1"}, "https://live.enriched-api.vayana.com",
         "http://localhost:1/v1"),
        ({"base_url": "http://gsp.lan", "insecure": True}, "http://gsp.lan",
         "http://gsp.lan/theodore/apis/v1"),
        ({"base_url": "https://live.enriched-api.vayana.com/"}, "https://live.enriched-api.vayana.com",
         "https://services.vayana.com/theodore/apis/v1"),
        ({"base_url": HOST}, HOST, SSO),
        ({"base_url": HOST, "test": False, "sso_url": "https://sso.example"}, HOST, "https://sso.example"),
        ({"base_url": "https://eas.example", "test": True}, "https://eas.example",
         "https://eas.example/theodore/apis/v1"),
    ],
)  # fmt: skip
def test_hosts_follow_from_the_settings(settings: dict[str, Any], base: str, sso: str) -> None:
    """Let no password go to a host that was not named, where another than the provider's was."""
    gsp = Vayana("org-1", handle="h", password="p", **settings)
    assert (gsp.base_url, gsp.sso_url) == (base, sso)
    assert first_request(gsp.authenticate()).url == f"{sso}/authtokens"
    assert first_request(gsp.counts(GSTIN, GoodsType.OTHERS)).url.startswith(base)


def test_an_account_is_named_without_its_password_or_token() -> None:
    """Distinguish accounts by organisation and user; return the limits, and how long results are kept."""
    assert (GSP.kind, isinstance(GSP, Gsp)) == ("vayana", True)
    assert (GSP.limits.save_bytes, GSP.limits.results_kept) == (4_000_000, 7 * 86_400)
    assert Vayana("o", "t", save_bytes=5).limits.save_bytes == 5
    names = {
        Vayana("org-1", "one").account_id,
        Vayana("org-1", "two").account_id,  # another user, for all that is known
        Vayana("org-1", "one", test=True).account_id,  # a token is for the hosts that gave it
        Vayana("org-1", "one", sso_url="https://elsewhere.example").account_id,
        Vayana("org-2", "one").account_id,
        Vayana("org-1", handle="a", password="p").account_id,
        Vayana("org-1", handle="a", password="q").account_id,
        Vayana("org-1", handle="b", password="p").account_id,
    }
    assert len(names) == 7
    assert all(len(name) == 16 and "org" not in name for name in names)


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ({"org_id": ""}, "org_id is empty"),
        ({"org_id": "  "}, "org_id is empty"),
        ({"org_id": None}, "org_id is empty"),
        ({"handle": 5, "password": "p"}, "handle"),
        ({"handle": "h\n", "password": "p"}, "handle"),
        ({"org_id": 5}, "org_id is empty"),
        ({"org_id": "org\n1"}, "org_id is empty"),
        ({"org_id": "orgé"}, "org_id is empty"),
        ({"handle": "h"}, "handle and password go together"),
        ({"password": "p"}, "handle and password go together"),
        ({"handle": "h", "password": ""}, "handle and password go together"),
        ({"handle": "", "password": "p"}, "handle and password go together"),
        ({"handle_type": "pigeon"}, "handle_type 'pigeon' is unknown; use one of: email, mobile"),
        ({"auth_version": "v2.0"}, "auth_version 'v2.0' is unknown"),
        ({"save_method": "PATCH"}, "save_method 'PATCH' is unknown"),
        ({"downloads": "fast"}, "downloads 'fast' is unknown"),
        ({"section_names": None}, "section_names None is unknown"),
        ({"supplier_section_case": "Upper"}, "supplier_section_case 'Upper' is unknown"),
        ({"token_minutes": 19}, "token_minutes 19 must be a whole number from 20 to 360"),
        ({"token_minutes": 361}, "token_minutes 361"),
        ({"token_minutes": 20.5}, "token_minutes 20.5"),
        ({"token_minutes": "20"}, "token_minutes '20'"),
        ({"save_bytes": 0}, "save_bytes 0"),
        ({"save_bytes": 4 * 1024 * 1024 + 1}, "save_bytes 4194305 must be a whole number"),
        ({"page_base": 2}, "page_base 2"),
        ({"page_base": True}, "page_base True"),
        ({"extra_headers": {"X Y": "v"}}, "extra_headers: 'X Y'"),
        ({"extra_headers": {"": "v"}}, "extra_headers: ''"),
        ({"extra_headers": {"X-Y": ""}}, "extra_headers: 'X-Y'"),
        ({"extra_headers": {"X-Y": "a\r\nb"}}, "extra_headers: 'X-Y'"),
        ({"extra_headers": {"X-Y": 5}}, "extra_headers: 'X-Y'"),
        ({"extra_headers": {5: "v"}}, "extra_headers: 5"),
        ({"extra_headers": None}, "extra_headers: a NoneType is no mapping"),
        ({"extra_headers": "X-Y: v"}, "extra_headers: a str is no mapping"),
        ({"extra_headers": {"X-FLYNN-N-USER-TOKEN": "planted"}}, "X-FLYNN-N-USER-TOKEN is what user_token"),
        ({"extra_headers": {"x-flynn-n-user-token": "planted"}}, "x-flynn-n-user-token is what user_token"),
        ({"user_token": 5}, "user_token and password are text, not int"),
        ({"handle": "h", "password": b"planted"}, "user_token and password are text, not bytes"),
        *[({name: wrong}, f"{name} {wrong!r} is not usable")
          for name in ("gsp_code", "flynn_version", "gstn_api_version", "auth_gstn_api_version", "save_path")
          for wrong in ("", " ", "v\n1", "v 1", "vé", "a?b", None, 1)],
        *[({"logout_action": wrong}, f"logout_action {wrong!r} is no word")
          for wrong in ("", " ", "LOG\nOUT", "é", 5)],
        *[({name: wrong}, "is no mapping of") for name in ("goods_types", "return_types")
          for wrong in (None, 5, "ALL_OTH", [5], {None: "x"}, {"no such key": "x"})],
        ({"goods_types": {"exports": "x"}},
         "{'exports': 'x'} is no mapping of GoodsType (others, inward_supplies, imports) to words"),
        ({"return_types": {"gstr1": "x"}},
         "{'gstr1': 'x'} is no mapping of SourceForm (R1, R1A, IFF, R5) to words"),
        ({"base_url": "http://gsp.lan"}, "clear text"),
        ({"base_url": "https://eas.example", "sso_url": "http://sso.lan"}, "clear text"),
        ({"base_url": 5}, "base URL"),
        ({"sso_url": "ftp://x"}, "base URL"),
    ],
    ids=str,
)  # fmt: skip
def test_a_setting_that_is_not_usable_is_named_at_once(facts: dict[str, Any], problem: str) -> None:
    """Raise `InvalidInput` when the GSP is made, and show no header's value."""
    with pytest.raises(InvalidInput) as caught:
        Vayana(**{"org_id": "org-1", **facts})
    assert problem in str(caught.value)
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "others", "imports"),
    [
        ({}, "ALL_OTH", None),
        ({GoodsType.IMPORTS: "IMP"}, "ALL_OTH", "IMP"),
        ({"imports": "IMP"}, "ALL_OTH", "IMP"),
        ({GoodsType.OTHERS: "OTH"}, "OTH", None),
        ([("imports", "IMP")], "ALL_OTH", "IMP"),
    ],
)
def test_words_for_goods_are_laid_over_the_one_that_is_public(
    given: Any, others: str, imports: str | None
) -> None:
    """Keep what was not said otherwise, and ask with what was."""
    gsp = Vayana("org-1", "t", goods_types=given)
    assert dict(gsp.goods_types) == {
        GoodsType.OTHERS: others, **({GoodsType.IMPORTS: imports} if imports else {}),
    }  # fmt: skip
    assert first_request(gsp.counts(GSTIN, GoodsType.OTHERS)).query["goods_typ"] == others
    if imports:
        assert first_request(gsp.counts(GSTIN, GoodsType.IMPORTS)).query["goods_typ"] == imports


def test_words_for_returns_are_laid_over_those_of_the_documents() -> None:
    """Say one of them otherwise, and add one for another form."""
    gsp = Vayana("org-1", "t", return_types={SourceForm.GSTR1: "GSTR1", SourceForm.IFF: "IFF"})
    for form, word in ((SourceForm.GSTR1, "GSTR1"), (SourceForm.GSTR1A, "R1A"), (SourceForm.IFF, "IFF")):
        request = first_request(gsp.sales(GSTIN, 2024, 11, SupplierSection.B2B, form))
        assert request.query["rtn_typ"] == word


def test_what_was_handed_in_is_not_looked_at_again() -> None:
    """Change the mapping of words afterwards."""
    words = {GoodsType.IMPORTS: "IMP"}
    gsp = Vayana("org-1", "t", goods_types=words)
    words[GoodsType.IMPORTS] = "OTHER"
    assert gsp.goods_types[GoodsType.IMPORTS] == "IMP"


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("ims-save", f"{HOST}/enriched/gstn/v1.0/ims-save"),
        ("ims/save", f"{HOST}/enriched/gstn/v1.0/ims/save"),
        ("/enriched/gstn/v9.0/ims-save", f"{HOST}/enriched/gstn/v9.0/ims-save"),
        ("/basic/save", f"{HOST}/basic/save"),
    ],
)
def test_the_path_of_a_save_is_relative_or_used_as_it_is(path: str, url: str) -> None:
    """Take one that begins with a slash from the root, and leave the reset where it is."""
    gsp = Vayana("org-1", "t", test=True, save_path=path)
    assert first_request(gsp.save(GSTIN, [INVOICE.accept()])).url == url
    assert first_request(gsp.reset(GSTIN, [INVOICE])).url.endswith("/v1.0/ims-invoice-status-reset")


@pytest.mark.parametrize("empty", ["", "  ", None, Secret(""), Secret(" ")])
def test_an_empty_token_is_none(empty: Any) -> None:
    """Say that there is no token, as where an environment variable is not set, and send nothing."""
    with pytest.raises(NotAuthorized, match="there is no user token: pass Vayana"):
        next(Vayana("org-1", empty).authenticate())


@pytest.mark.parametrize(
    ("ask", "error", "problem"),
    [
        (lambda: GSP.counts(GSTIN, GoodsType.IMPORTS), NotSupported, "how imports are asked for"),
        (lambda: GSP.added_back_liabilities(GSTIN, 2024, 4, SupplierSection.CDNR), NotSupported,
         "added-back"),
        (lambda: Vayana("o", "t", logout_action=None).logout(GSTIN, SESSION), NotSupported, "logout_action"),
        (lambda: GSP.sales(GSTIN, 2024, 1, SupplierSection.B2B, SourceForm.IFF), InvalidInput,
         "no supplier view"),
        (lambda: GSP.sales(GSTIN, 2024, 13, SupplierSection.B2B, SourceForm.GSTR1), InvalidInput, "month 13"),
        (lambda: GSP.verify_otp(GSTIN, "u", "1", None), InvalidInput, "call request_otp first"),
        (lambda: GSP.verify_otp(GSTIN, "u", "1", ""), InvalidInput, "call request_otp first"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_told_before_anything_is_sent(
    ask: Callable[[], Any], error: type[ImsError], problem: str
) -> None:
    """Say what no page documents, and which setting helps where one does."""
    with pytest.raises(error, match=problem):
        converse(ask())
