"""What is accepted and what is refused: one test or more for each line of the contract.

Each input is read in one piece and byte by byte, and must mean the same.
"""

import pytest

from steps.http11 import (
    CONTINUE,
    END,
    NEED_CONTINUE,
    NEED_DATA,
    BadRequest,
    Gatherer,
    Limits,
    Parser,
    Request,
)
from tests.http11.reading import (
    BROWSER_GET,
    CHUNKED,
    GET,
    STANDARD,
    get,
    read,
    read_both_ways,
)

# A request that must never be reached, after one that is refused.
NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"


def refusal(data: bytes, limits: Limits = STANDARD) -> int | None:
    """The status that these bytes are refused with; not one request may come whole."""
    reading = read_both_ways(data, limits)
    assert not any(message.is_over for message in reading.messages)
    return reading.status


def only_request(data: bytes, limits: Limits = STANDARD) -> Request:
    """The one request that these bytes are."""
    reading = read_both_ways(data + NEXT, limits)
    assert reading.status is None
    others = [message.target for message in reading.messages[1:]]
    assert others == (["/next"] if reading.messages[0].keep_alive else [])
    gatherer = Gatherer(limits)
    gatherer.feed(data)
    request = gatherer.next_request()
    assert request is not None
    assert request.body == reading.messages[0].body
    assert request.headers == reading.messages[0].headers
    return request


# --- Lines ---------------------------------------------------------------------------


def test_an_ordinary_request() -> None:
    request = only_request(b"GET /a?b=c HTTP/1.1\r\nHost: h:80\r\nX-Y:  z \t\r\n\r\n")
    assert request.method == "GET"
    assert request.target == "/a?b=c"
    assert request.version == (1, 1)
    assert request.headers == {"host": "h:80", "x-y": "z"}
    assert request.body == b""
    assert request.keep_alive


def test_a_browser_request_by_the_short_way_and_by_the_long_one() -> None:
    by_the_long_way = BROWSER_GET.replace(b"Host: ", b"Host:\t")
    short, long = only_request(BROWSER_GET), only_request(by_the_long_way)
    assert len(short.headers) == 13
    assert short.headers == long.headers
    assert short.target == long.target == "/index.html?page=1"
    assert short.keep_alive
    assert long.keep_alive


@pytest.mark.parametrize(
    "data",
    [
        GET.replace(b"\r\n", b"\n"),
        b"GET / HTTP/1.1\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\n",
        b"\n" + GET,
        get(b"X: a\nb"),
        CHUNKED + b"0\r\nT: a\n\r\n",
        CHUNKED + b"0\r\n\n",
    ],
)
def test_bare_lf(data: bytes) -> None:
    assert refusal(data) == 400


@pytest.mark.parametrize("byte", [*range(9), *range(10, 32), 127])
def test_control_characters_in_a_value(byte: int) -> None:
    assert refusal(get(b"X: a" + bytes([byte]) + b"b")) == 400
    assert refusal(get(b"X:" + bytes([byte]))) == 400


def test_bare_cr_before_the_end_of_a_line() -> None:
    assert refusal(b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n") == 400
    assert refusal(b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n") == 400
    assert refusal(b"GET / HTTP/1.1\r\nHost: a\r\n\r\r\n") == 400


def test_tab_and_obs_text_in_a_value_are_opaque() -> None:
    request = only_request(get(b"X: \ta\tb\x80\xff\x85\xa0 "))
    assert request.headers["x"].encode("latin-1") == b"a\tb\x80\xff\x85\xa0"


def test_one_empty_line_before_the_request_line() -> None:
    assert only_request(b"\r\n" + GET).target == "/"
    assert read_both_ways(GET + b"\r\n" + NEXT).bodies == [b"", b""]


def test_two_empty_lines_before_the_request_line() -> None:
    assert refusal(b"\r\n\r\n" + GET) == 400
    assert read_both_ways(GET + b"\r\n\r\n" + NEXT).status == 400


@pytest.mark.parametrize("space", [b" ", b"\t"])
def test_white_space_before_the_first_field(space: bytes) -> None:
    assert refusal(b"GET / HTTP/1.1\r\n" + space + b"Host: a\r\n\r\n") == 400
    assert refusal(b"GET / HTTP/1.1\r\n" + space + b"\r\nHost: a\r\n\r\n") == 400


@pytest.mark.parametrize("space", [b" ", b"\t"])
def test_folded_field(space: bytes) -> None:
    assert refusal(get(b"X: a", space + b"b")) == 400
    assert refusal(CHUNKED + b"0\r\nT: a\r\n" + space + b"b\r\n\r\n") == 400


@pytest.mark.parametrize(
    "line",
    [
        b"X : a",
        b"X\t: a",
        b": a",
        b":",
        b"X",
        b"X a",
        *(b"X%c: a" % char for char in b'"(),/;<=>?@[\\]{}\x00\x1f\x7f\x80\xff'),
    ],
)
def test_malformed_field_name(line: bytes) -> None:
    assert refusal(get(line)) == 400
    assert refusal(b"GET / HTTP/1.1\r\n" + line + b"\r\nHost: a\r\n\r\n") == 400
    assert refusal(CHUNKED + b"0\r\n" + line + b"\r\n\r\n") == 400


def test_every_token_character_in_a_name() -> None:
    name = "!#$%&'*+-.^_`|~09azAZ"
    assert only_request(get(name.encode() + b":1")).headers[name.lower()] == "1"


def test_an_empty_value() -> None:
    assert only_request(get(b"X:", b"Y: \t ")).headers == {
        "host": "a",
        "x": "",
        "y": "",
    }


def test_repeated_fields_are_joined_in_order() -> None:
    request = only_request(get(b"A: 1", b"B: 2", b"a: 3", b"A:"))
    assert request.headers == {"host": "a", "a": "1, 3, ", "b": "2"}


# --- Where a request ends ------------------------------------------------------------


def post(length: bytes, body: bytes = b"") -> bytes:
    return get(b"Content-Length: " + length, line=b"POST / HTTP/1.1") + body


def test_content_length() -> None:
    assert only_request(post(b"5", b"hello")).body == b"hello"
    assert only_request(post(b"0005", b"hello")).body == b"hello"
    assert only_request(post(b"0")).body == b""


@pytest.mark.parametrize("second", [b"5", b"6", b"0"])
def test_two_content_lengths(second: bytes) -> None:
    assert refusal(post(b"5\r\nContent-Length: " + second, b"hello")) == 400
    assert refusal(post(b"5\r\ncontent-length:" + second, b"hello")) == 400


@pytest.mark.parametrize(
    "length",
    [
        *(b"5, 5", b"5,5", b"5 5", b"5;", b"+5", b"-5", b"-0", b"5_0", b"0x5", b"5.0"),
        *(b"", b" \t", b"5a", b"a", b'"5"', b"1e1"),
        *("٥".encode(), b"\xb2", "５".encode()),
    ],
)
def test_content_length_that_is_no_number(length: bytes) -> None:
    assert refusal(post(length, b"hello")) == 400


def test_content_length_over_the_limit() -> None:
    limits = Limits(max_body_bytes=10)
    assert only_request(post(b"10", b"x" * 10), limits).body == b"x" * 10
    assert refusal(post(b"11"), limits) == 413
    assert refusal(post(b"9" * 18)) == 413


@pytest.mark.parametrize("digits", [19, 20, 4300, 5000])
def test_content_length_of_too_many_digits(digits: int) -> None:
    limits = Limits(max_body_bytes=10**100)
    assert refusal(post(b"9" * digits), limits) == 413
    assert refusal(post(b"5".rjust(digits, b"0"), b"hello"), limits) == 413


@pytest.mark.parametrize("length", [b"0", b"5", b"x"])
def test_transfer_encoding_beside_content_length(length: bytes) -> None:
    both = (b"Transfer-Encoding: chunked", b"Content-Length: " + length)
    assert refusal(get(*both) + b"0\r\n\r\n") == 400
    assert refusal(get(*reversed(both)) + b"0\r\n\r\n") == 400


@pytest.mark.parametrize("coding", [b"chunked", b"gzip", b""])
def test_transfer_encoding_in_1_0(coding: bytes) -> None:
    line = b"POST / HTTP/1.0"
    assert refusal(get(b"Transfer-Encoding: " + coding, line=line)) == 400


def chunked(coding: bytes, body: bytes = b"0\r\n\r\n") -> bytes:
    line = b"POST / HTTP/1.1"
    return get(b"Transfer-Encoding: " + coding, line=line) + body


@pytest.mark.parametrize(
    "coding", [b"chunked", b"CHUNKED", b"Chunked\t ", b"\tchunkeD"]
)
def test_chunked_in_any_letter_case(coding: bytes) -> None:
    assert only_request(chunked(coding, b"3\r\nabc\r\n0\r\n\r\n")).body == b"abc"


@pytest.mark.parametrize(
    "coding",
    [
        *(b"chunked, gzip", b"gzip, chunked, identity", b"chunked, chunked"),
        *(b"chunked\r\nTransfer-Encoding: chunked", b"chunked\r\nTransfer-Encoding: x"),
        *(b'"chunked"', b"'chunked' x", b"chunked\x0b", b"\x0bchunked", b"chunked\xa0"),
        *(b"", b",", b"chunked,", b", chunked", b"chunked;a=b", b"chunked ;", b"a b"),
        *(b"gzip, chunked;a", b"[]", b"chunked chunked"),
    ],
)
def test_malformed_transfer_encoding(coding: bytes) -> None:
    assert refusal(chunked(coding)) == 400


@pytest.mark.parametrize(
    "coding",
    [
        *(b"gzip", b"gzip, chunked", b"identity", b"xchunked", b"chunkedx", b"GZIP"),
        *(
            b"gzip;q=1",
            b'gzip ; q="a b", chunked',
            b"gzip\r\nTransfer-Encoding: chunked",
        ),
        *(b"'chunked'",),
    ],
)
def test_transfer_coding_that_is_not_known(coding: bytes) -> None:
    assert refusal(chunked(coding)) == 501


def test_chunks() -> None:
    body = b"3\r\nabc\r\nA\r\n0123456789\r\n000f\r\n012345678901234\r\n0\r\n\r\n"
    request = only_request(chunked(b"chunked", body))
    assert request.body == b"abc" + b"0123456789" + b"012345678901234"
    assert only_request(chunked(b"chunked", b"000\r\n\r\n")).body == b""


@pytest.mark.parametrize(
    "extension",
    [
        *(b";a", b";a=b", b";a;b=c;d", b';a="b c"', b';a="b";c'),
        *(b';a=";"', b';a="\\"\\\\"', b';a="\xff\t"', b';a=""', b";a=" + b"x" * 1000),
    ],
)
def test_chunk_extension(extension: bytes) -> None:
    body = b"3%b\r\nabc\r\n0%b\r\n\r\n" % (extension, extension)
    assert only_request(chunked(b"chunked", body)).body == b"abc"


@pytest.mark.parametrize(
    "extension",
    [
        *(
            b";a\nb",
            b";a\rb",
            b";a\n",
            b'";"',
            b";",
            b";;a",
            b";a;",
            b";=b",
            b";a=",
            b";a b",
            b"; a",
            b";a ",
            b";a =b",
            b";a= b",
            b';a="b" ;c',
            b"; a",
            b";a ",
            b";a =b",
            b";a= b",
            b';a="b" ;c',
        ),
        *(b';a="', b';a="\\"', b';a="b"c', b';a="\n"', b";a\x00", b";a=\x80", b";\xff"),
        b";a=\x7f",
    ],
)
def test_malformed_chunk_extension(extension: bytes) -> None:
    assert refusal(chunked(b"chunked", b"3%b\r\nabc\r\n0\r\n\r\n" % extension)) == 400
    assert refusal(chunked(b"chunked", b"0%b\r\n\r\n" % extension)) == 400


def test_a_quoted_string_does_not_hide_the_end_of_the_line() -> None:
    body = b'3;a="\r\nabc\r\n0\r\n\r\n"\r\nabc\r\n0\r\n\r\n'
    assert refusal(chunked(b"chunked", body)) == 400


def test_chunk_extension_over_the_limit() -> None:
    limits = Limits(max_chunk_extension_bytes=10)
    fits = chunked(b"chunked", b"3;a=45678910\r\nabc\r\n0;a=45678910\r\n\r\n")
    assert only_request(fits, limits).body == b"abc"
    assert refusal(fits.replace(b"10\r\na", b"101\r\na"), limits) == 400
    assert refusal(chunked(b"chunked", b"3;" + b"a" * 12), limits) == 400


@pytest.mark.parametrize(
    "size",
    [
        *(b"3\n", b"3 ", b"3\t", b" 3", b"+3", b"-3", b"0x3", b"3_0", b"", b"g", b"3h"),
        *(b"3 ;a", b"3\r", b"\xb2", b"0" * 16 + b"3", b"f" * 17),
    ],
)
def test_malformed_chunk_size(size: bytes) -> None:
    assert refusal(chunked(b"chunked", size + b"\r\nabc\r\n0\r\n\r\n")) == 400


def test_chunk_size_of_sixteen_digits() -> None:
    body = b"3".rjust(16, b"0") + b"\r\nabc\r\n0\r\n\r\n"
    assert only_request(chunked(b"chunked", body)).body == b"abc"
    assert refusal(chunked(b"chunked", b"f" * 16 + b"\r\n")) == 413


@pytest.mark.parametrize("end", [b"", b"\n", b"\r", b"x\r\n", b" \r\n", b"\rx"])
def test_no_crlf_after_the_data_of_a_chunk(end: bytes) -> None:
    assert refusal(chunked(b"chunked", b"3\r\nabc" + end + b"0\r\n\r\n")) == 400


def test_chunks_over_the_limit() -> None:
    limits = Limits(max_body_bytes=5)
    fits = b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    assert only_request(chunked(b"chunked", fits), limits).body == b"abcde"
    assert refusal(chunked(b"chunked", b"3\r\nabc\r\n3\r\ndef\r\n"), limits) == 413
    assert refusal(chunked(b"chunked", b"6\r\n"), limits) == 413


def test_trailers_are_checked_and_dropped() -> None:
    data = chunked(
        b"chunked", b"3\r\nabc\r\n0\r\nX: y\r\nHost: b\r\nContent-Length: 9\r\n\r\n"
    )
    request = only_request(data)
    assert request.body == b"abc"
    assert request.headers == {"host": "a", "transfer-encoding": "chunked"}


def test_trailers_over_their_limits() -> None:
    def trailers(lines: bytes) -> bytes:
        return chunked(b"chunked", b"0\r\n" + lines + b"\r\n")

    limits = Limits(max_header_fields=3, max_header_bytes=50)
    assert only_request(trailers(b"A: b\r\n" * 3), limits).body == b""
    assert refusal(trailers(b"A: b\r\n" * 4), limits) == 431
    assert only_request(trailers(b"A:" + b"x" * 44 + b"\r\n"), limits).body == b""
    assert refusal(trailers(b"A:" + b"x" * 45 + b"\r\n"), limits) == 431
    assert refusal(chunked(b"chunked", b"0\r\nA:" + b"x" * 48), limits) == 431


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"DELETE", b"OPTIONS", b"BREW"])
def test_any_method_can_have_a_body(method: bytes) -> None:
    line = method + b" / HTTP/1.1"
    by_length = get(b"Content-Length: 3", line=line) + b"abc"
    in_chunks = get(b"Transfer-Encoding: chunked", line=line) + b"1\r\nx\r\n0\r\n\r\n"
    assert only_request(by_length).body == b"abc"
    assert only_request(in_chunks).body == b"x"


def test_without_a_length_there_is_no_body() -> None:
    assert only_request(get(line=b"POST / HTTP/1.1")).body == b""
    assert only_request(get(line=b"POST / HTTP/1.0")).body == b""


# --- The request line ----------------------------------------------------------------


def line(text: bytes) -> bytes:
    return text + b"\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    "text",
    [
        *(
            b"GET  / HTTP/1.1",
            b"GET /  HTTP/1.1",
            b" GET / HTTP/1.1",
            b"GET / HTTP/1.1 ",
        ),
        *(
            b"GET\t/ HTTP/1.1",
            b"GET /\tHTTP/1.1",
            b"GET / HTTP/1.1\t",
            b"\tGET / HTTP/1.1",
        ),
        *(b"GET /a b HTTP/1.1", b"GET / HTTP/1.1 x", b"GET /HTTP/1.1", b"GET"),
        *(b"GET  HTTP/1.1", b" / HTTP/1.1", b"GET/ HTTP/1.1"),
    ],
)
def test_white_space_in_the_request_line(text: bytes) -> None:
    assert refusal(line(text)) == 400


@pytest.mark.parametrize("byte", [*range(33), 127, 128, 0xA0, 0xE9, 255])
def test_character_that_no_target_has(byte: int) -> None:
    assert refusal(line(b"GET /%c HTTP/1.1" % byte)) == 400
    assert refusal(line(b"GET /a%cb HTTP/1.1" % byte)) == 400


def test_visible_characters_in_a_target() -> None:
    target = "/" + "".join(map(chr, range(33, 127))).replace("#", "")
    assert only_request(line(b"GET " + target.encode() + b" HTTP/1.1")).target == target


def test_a_fragment_is_no_part_of_a_target() -> None:
    assert refusal(line(b"GET /a#b HTTP/1.1")) == 400


@pytest.mark.parametrize("char", [*b'"(),/:;<=>?@[\\]{}\x00\x1f\x7f\x80\xff'])
def test_character_that_no_method_has(char: int) -> None:
    assert refusal(line(b"G%cT / HTTP/1.1" % char)) == 400
    assert refusal(line(b"%c / HTTP/1.1" % char)) == 400


@pytest.mark.parametrize("method", [b"BREW", b"get", b"M-SEARCH", b"!#$%&'*+-.^_`|~1"])
def test_an_unknown_method_is_for_the_application(method: bytes) -> None:
    assert only_request(line(method + b" / HTTP/1.1")).method == method.decode()


def test_method_over_its_limit() -> None:
    assert only_request(line(b"A" * 32 + b" / HTTP/1.1")).method == "A" * 32
    assert refusal(line(b"A" * 33 + b" / HTTP/1.1")) == 501
    assert refusal(b"A" * 33) == 501


@pytest.mark.parametrize(
    ("target", "path", "host"),
    [
        (b"http://b/c?d", "/c?d", "b"),
        (b"HTTPS://b:80/c", "/c", "b:80"),
        (b"http://b", "/", "b"),
        (b"http://b?c", "/?c", "b"),
        (b"http://[::1]:80/", "/", "[::1]:80"),
        (b"http://b:/c", "/c", "b:"),
        (b"http://b//c", "//c", "b"),
    ],
)
def test_absolute_form_overrides_host(target: bytes, path: str, host: str) -> None:
    for version in b"HTTP/1.1", b"HTTP/1.0":
        request = only_request(line(b"GET " + target + b" " + version))
        assert request.target == path
        assert request.headers["host"] == host


def test_absolute_form_without_host() -> None:
    assert refusal(b"GET http://b/ HTTP/1.1\r\n\r\n") == 400
    request = read(b"GET http://b/ HTTP/1.0\r\n\r\n").messages[0]
    assert request.headers == {"host": "b"}


@pytest.mark.parametrize(
    "target",
    [
        *(
            b"http:///a",
            b"http://:80/a",
            b"http://?a",
            b"http://",
            b"http:/a",
            b"http:a",
        ),
        *(
            b"http://u@b/",
            b"http://b:x/",
            b"http://b:80:80/",
            b"http://[::1/",
            b"ftp://b/",
        ),
        *(b"b", b"b:80", b"b/c", b"?a", b"a://b", b"www.example.com/", b"%2f", b"*/"),
        b"http://b\\c/",
    ],
)
def test_target_of_no_known_form(target: bytes) -> None:
    assert refusal(line(b"GET " + target + b" HTTP/1.1")) == 400


def test_asterisk_is_for_options_alone() -> None:
    assert only_request(line(b"OPTIONS * HTTP/1.1")).target == "*"
    assert refusal(line(b"GET * HTTP/1.1")) == 400
    assert refusal(line(b"options * HTTP/1.1")) == 400


def test_options_of_a_whole_server_in_absolute_form() -> None:
    request = only_request(line(b"OPTIONS http://b HTTP/1.1"))
    assert request.target == "*"
    assert request.headers["host"] == "b"
    assert only_request(line(b"OPTIONS http://b?c HTTP/1.1")).target == "/?c"


@pytest.mark.parametrize("target", [b"b:443", b"[::1]:443", b"127.0.0.1:80"])
def test_connect_is_not_implemented(target: bytes) -> None:
    assert refusal(line(b"CONNECT " + target + b" HTTP/1.1")) == 501
    assert refusal(line(b"GET " + target + b" HTTP/1.1")) == 400


@pytest.mark.parametrize(
    "target",
    [b"b", b"b:", b":80", b"*", b"http://b:80", b"b:80/", b"u@b:80", b"127.0.0.1"],
)
def test_connect_to_no_authority(target: bytes) -> None:
    assert refusal(line(b"CONNECT " + target + b" HTTP/1.1")) == 400


def test_a_method_that_begins_like_connect() -> None:
    assert only_request(line(b"CONNECTED / HTTP/1.1")).target == "/"


def test_connect_with_a_path() -> None:
    """A path is no authority, whatever the method; 501 would promise too much."""
    assert refusal(line(b"CONNECT / HTTP/1.1")) == 400


# --- Host ----------------------------------------------------------------------------


def test_no_host() -> None:
    assert refusal(b"GET / HTTP/1.1\r\n\r\n") == 400
    assert refusal(b"GET / HTTP/1.1\r\nHosts: a\r\nX-Host: a\r\n\r\n") == 400
    assert refusal(b"GET / HTTP/1.1\r\nX: Host: a\r\n\r\n") == 400
    assert only_request(b"GET / HTTP/1.0\r\n\r\n").headers == {}


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
@pytest.mark.parametrize("second", [b"Host: a", b"host: b", b"HOST:"])
def test_two_hosts(version: bytes, second: bytes) -> None:
    assert refusal(get(second, line=b"GET / HTTP/" + version)) == 400
    assert refusal(get(b"X: y", second, b"Z: w", line=b"GET / HTTP/" + version)) == 400


@pytest.mark.parametrize(
    "host",
    [
        *(
            b"a b",
            b"a/b",
            b"a?b",
            b"a#b",
            b"u@a",
            b"a:b",
            b"a:80:80",
            b"a:80 x",
            b"a\\b",
        ),
        *(b"[::1", b"::1]", b"[::g]", b"[]", b"[::1]x", b"a%zz", b"a%", b"<a>", b'"a"'),
        *(b"\xe9", b"a^b", b"http://a", "a:٨".encode(), b"a\xb2"),
    ],
)
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_malformed_host(version: bytes, host: bytes) -> None:
    text = b"GET / HTTP/%b\r\nHost: %b\r\n\r\n" % (version, host)
    assert refusal(text) == 400
    assert refusal(text.replace(b"\r\n\r\n", b"\r\nX: y\r\n\r\n")) == 400


@pytest.mark.parametrize(
    "host",
    [
        *(
            b"a",
            b"A.b-c",
            b"a:",
            b"a:80",
            b"127.0.0.1:80",
            b"[::1]",
            b"[::ffff:1.2.3.4]:80",
        ),
        *(b"a%C3%A9", b"a_b~c!$&'()*+,;="),
    ],
)
def test_host(host: bytes) -> None:
    request = only_request(b"GET / HTTP/1.1\r\nhOsT:\t%b \r\n\r\n" % host)
    assert request.headers == {"host": host.decode()}
    request = only_request(b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % host)
    assert request.headers == {"host": host.decode()}


@pytest.mark.parametrize("host", [b"", b" ", b":", b":80"])
def test_an_empty_host(host: bytes) -> None:
    """Which host a path belongs to, nobody knows then (RFC 9110 §4.2.1)."""
    for version in b"1.1", b"1.0":
        text = b"GET / HTTP/%b\r\nHost:%b\r\n\r\n" % (version, host)
        assert refusal(text) == 400
    # Where the target has a host, or is no path, that is no matter.
    text = b"GET http://a/ HTTP/1.1\r\nHost:%b\r\n\r\n" % host
    assert only_request(text).headers == {"host": "a"}
    assert only_request(b"OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n").target == "*"


@pytest.mark.parametrize("extension", [b" ;a", b"; a", b";a =b", b";a= b", b";a ;b"])
def test_white_space_in_a_chunk_extension(extension: bytes) -> None:
    """A recipient must parse it (RFC 9110 §5.6.3); this one refuses it on purpose."""
    assert refusal(CHUNKED + b"3" + extension + b"\r\nabc\r\n0\r\n\r\n") == 400


# --- Versions ------------------------------------------------------------------------


@pytest.mark.parametrize("minor", [*b"23456789"])
def test_1_2_and_later_are_as_1_1(minor: int) -> None:
    text = b"GET / HTTP/1.%c" % minor
    request = only_request(line(text))
    assert request.version == (1, 1)
    assert request.keep_alive
    assert refusal(text + b"\r\n\r\n") == 400  # no Host
    only_request(get(b"Transfer-Encoding: chunked", line=text) + b"0\r\n\r\n")


@pytest.mark.parametrize("version", [b"0.9", b"2.0", b"2.1", b"3.0", b"9.9"])
def test_another_major_version(version: bytes) -> None:
    assert refusal(line(b"GET / HTTP/" + version)) == 505
    assert refusal(b"GET / HTTP/" + version + b"\r\n") == 505


def test_the_preface_of_http_2() -> None:
    reading = read_both_ways(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert reading.status == 505
    assert reading.refused_at == len(b"PRI * HTTP/2.0\r\n")


@pytest.mark.parametrize(
    "version",
    [
        *(
            b"http/1.1",
            b"Http/1.1",
            b"HTTP/11",
            b"HTTP/01.1",
            b"HTTP/1.01",
            b"HTTP/1.10",
        ),
        *(
            b"HTTP/1",
            b"HTTP/1.",
            b"HTTP/.1",
            b"HTTP1.1",
            b"HTTP /1.1",
            b"HTTP/1,1",
            b"HTTP",
        ),
        *(b"HTTP/1.1x", b"HTTP/x.1", b"HTTP/-1.1", b"ICY/1.1", b"", b"HTTP/1.\xb2"),
    ],
)
def test_malformed_version(version: bytes) -> None:
    assert refusal(line(b"GET / " + version)) == 400


def test_http_0_9() -> None:
    assert refusal(b"GET /\r\n") == 400


# --- Limits --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", [b"Host: a", b"Host:  a"]
)  # the short and the long way
def test_target_over_the_limit(host: bytes) -> None:
    for limit in 10, 8192:
        limits = Limits(max_target_bytes=limit)
        fits = b"GET /%b HTTP/1.1\r\n%b\r\n\r\n" % (b"x" * (limit - 1), host)
        assert len(only_request(fits, limits).target) == limit
        assert refusal(fits.replace(b"/", b"//", 1), limits) == 414
        assert refusal(b"GET /" + b"x" * limit, limits) == 414


def test_a_request_line_of_8000_bytes_is_read() -> None:
    text = b"GET /" + b"x" * (8000 - 14) + b" HTTP/1.1"
    assert len(text) == 8000
    only_request(line(text))


@pytest.mark.parametrize("host", [b"Host: a", b"Host:  a"])
def test_header_section_over_its_limit_in_bytes(host: bytes) -> None:
    for limit in 40, 32_768:
        limits = Limits(max_header_bytes=limit)
        filler = b"X:" + b"y" * (limit - len(host) - 8)
        fits = b"GET / HTTP/1.1\r\n%b\r\n%b\r\n\r\n" % (host, filler)
        assert len(fits) == len(b"GET / HTTP/1.1\r\n") + limit
        only_request(fits, limits)
        assert refusal(fits.replace(b"X:", b"X: "), limits) == 431
        assert refusal(fits[:-4] + b"yyyy", limits) == 431
        assert refusal(b"GET / HTTP/1.1\r\n" + b"X" * limit, limits) == 431


@pytest.mark.parametrize("host", [b"Host: a", b"Host:  a"])
def test_header_section_over_its_limit_in_fields(host: bytes) -> None:
    for limit in 5, 256:
        limits = Limits(max_header_fields=limit)
        few = b"X:\r\n" * (limit - 1)
        fits = b"GET / HTTP/1.1\r\n%b\r\n%b\r\n" % (host, few)
        only_request(fits, limits)
        assert refusal(fits.replace(b"X:", b"X:\r\nX:", 1), limits) == 431


# --- Refused at once -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "last"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00", 1),  # a TLS hello
        (b"\x80\x2e\x01\x03\x01", 1),  # and an old one
        (b"\x00", 1),
        (b"SSH-2.0-OpenSSH_9.2\r\n", len("SSH-2.0-OpenSSH_9.2\r")),
        (b"{", 1),
        (b"\r\n\r", 3),
        (b"GET\x16", 4),
        (b"GET  ", 5),
        (b"GET /\x80", 6),
        (b"GET / X", 7),
        (b"GET / HTTP/1.1\n", 15),
        (b"GET / HTTP/1.1\r\n ", 17),
        (b"GET / HTTP/1.1\r\nHost ", 21),
        (b"GET / HTTP/1.1\r\nHost: a\x00", 24),
        (CHUNKED + b"x", len(CHUNKED) + 1),
        (CHUNKED + b"1\r\nab", len(CHUNKED) + 5),
    ],
)
def test_bytes_that_no_request_begins_with(data: bytes, last: int) -> None:
    """Refused with the byte that makes it hopeless, not at the end of a line."""
    reading = read_both_ways(data)
    assert reading.status == 400
    assert reading.refused_at == last


def test_nothing_is_read_after_a_bad_request() -> None:
    parser = Parser()
    parser.feed(b"\x16" + GET)
    for _ in range(3):
        with pytest.raises(BadRequest, match="400"):
            parser.next_event()
        parser.feed(GET)


def test_requests_before_the_bad_one_are_given_first() -> None:
    gatherer = Gatherer()
    gatherer.feed(GET + NEXT + b"BAD\r\n" + GET)
    first, second = gatherer.next_request(), gatherer.next_request()
    assert first is not None
    assert second is not None
    assert (first.target, second.target) == ("/", "/next")
    with pytest.raises(BadRequest):
        gatherer.next_request()


# --- Expect --------------------------------------------------------------------------

WAITING = get(b"Expect: 100-continue", b"Content-Length: 3", line=b"PUT / HTTP/1.1")


def events(data: bytes) -> list[object]:
    """One event after the other, until more bytes are needed."""
    parser = Parser()
    parser.feed(data)
    found: list[object] = []
    while not found or found[-1] is not NEED_DATA:
        found.append(parser.next_event())
    return found


@pytest.mark.parametrize("value", [b"100-Continue", b"100-continue, 100-CONTINUE"])
def test_a_client_that_waits_for_100_continue(value: bytes) -> None:
    request, *others = events(WAITING.replace(b"100-continue", value))
    assert isinstance(request, Request)
    assert others == [NEED_CONTINUE, NEED_DATA]
    assert CONTINUE.startswith(b"HTTP/1.1 100 ")
    assert CONTINUE.endswith(b"\r\n\r\n")


def test_a_client_that_waits_before_chunks() -> None:
    data = WAITING.replace(b"Content-Length: 3", b"Transfer-Encoding: chunked")
    assert events(data)[1:] == [NEED_CONTINUE, NEED_DATA]


def test_no_100_continue_when_the_body_has_begun_to_come() -> None:
    assert events(WAITING + b"a")[1:] == [b"a", NEED_DATA]
    data = WAITING.replace(b"Content-Length: 3", b"Transfer-Encoding: chunked")
    assert events(data + b"3")[1:] == [NEED_DATA]


def test_no_100_continue_without_a_body() -> None:
    assert events(get(b"Expect: 100-continue"))[1:] == [END, NEED_DATA]
    assert events(WAITING.replace(b" 3", b" 0"))[1:] == [END, NEED_DATA]


def test_expect_is_ignored_in_1_0() -> None:
    old = WAITING.replace(b"/1.1", b"/1.0")
    assert events(old)[1:] == [NEED_DATA]
    assert events(old.replace(b"100-continue", b"x"))[1:] == [NEED_DATA]


def test_the_gatherer_says_when_100_continue_is_due() -> None:
    gatherer = Gatherer()
    gatherer.feed(WAITING)
    assert gatherer.next_request() is None
    assert gatherer.continue_due
    gatherer.feed(b"a")
    assert gatherer.next_request() is None
    assert not gatherer.continue_due
    gatherer.feed(b"bc")
    request = gatherer.next_request()
    assert request is not None
    assert request.body == b"abc"
    assert not gatherer.continue_due


@pytest.mark.parametrize(
    "value", [b"x", b"100-continue, x", b"200-ok", b"100-continue=1", b"100", b"\xff"]
)
def test_another_expectation(value: bytes) -> None:
    assert refusal(get(b"Expect: " + value)) == 417
    assert refusal(WAITING.replace(b"100-continue", value) + b"abc") == 417


# --- Which connections are kept ------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "options", "is_kept"),
    [
        (b"1.1", [], True),
        (b"1.1", [b"keep-alive"], True),
        (b"1.1", [b"close"], False),
        (b"1.1", [b"CLOSE"], False),
        (b"1.1", [b"foo, Close"], False),
        (b"1.1", [b"foo ,\tclose , bar"], False),
        (b"1.1", [b"foo", b"close"], False),
        (b"1.1", [b"keep-alive, close"], False),
        (b"1.1", [b"closed"], True),
        (b"1.1", [b"not close"], True),
        (b"1.1", [b""], True),
        (b"1.1", [b", ,"], True),
        (b"1.0", [], False),
        (b"1.0", [b"keep-alive"], True),
        (b"1.0", [b"Keep-Alive"], True),
        (b"1.0", [b"foo", b"keep-alive"], True),
        (b"1.0", [b"keep-alive, close"], False),
        (b"1.0", [b"keepalive"], False),
    ],
)
def test_connection_options(
    version: bytes, options: list[bytes], is_kept: bool
) -> None:
    fields = [b"Connection: " + option for option in options]
    data = get(*fields, line=b"GET / HTTP/" + version)
    reading = read_both_ways(data + NEXT)
    assert reading.messages[0].keep_alive == is_kept
    assert [message.target for message in reading.messages] == (
        ["/", "/next"] if is_kept else ["/"]
    )


@pytest.mark.parametrize("rest", [NEXT, b"\x16\x03", b"\r\n\r\n\r\n"])
def test_nothing_is_processed_after_close(rest: bytes) -> None:
    body = b"abc"
    data = get(b"Connection: close", b"Content-Length: 3") + body
    reading = read_both_ways(data + rest)
    assert reading.bodies == [b"abc"]
    assert reading.status is None


# --- A client that goes away ---------------------------------------------------------


@pytest.mark.parametrize(
    "data", [WAITING + b"ab", CHUNKED + b"3\r\nabc\r\n0\r\n\r", BROWSER_GET[:-1], b"G"]
)
def test_an_incomplete_request_is_never_given(data: bytes) -> None:
    for end in range(len(data) + 1):
        gatherer = Gatherer()
        gatherer.feed(data[:end])
        assert gatherer.next_request() is None
        assert gatherer.next_request() is None


# --- Events --------------------------------------------------------------------------


def test_the_head_comes_before_the_body_and_the_body_in_pieces() -> None:
    parser = Parser()
    parser.feed(post(b"5", b""))
    assert isinstance(parser.next_event(), Request)
    assert parser.next_event() is NEED_DATA
    parser.feed(b"he")
    assert parser.next_event() == b"he"
    assert parser.next_event() is NEED_DATA
    parser.feed(b"lloGE")
    assert parser.next_event() == b"llo"
    assert parser.next_event() is END
    assert parser.next_event() is NEED_DATA
    parser.feed(GET[2:])
    assert isinstance(parser.next_event(), Request)
    assert parser.next_event() is END
    assert parser.next_event() is NEED_DATA


def test_an_empty_feed_changes_nothing() -> None:
    parser = Parser()
    for byte in WAITING + b"abc":
        parser.feed(b"")
        parser.next_event()
        parser.feed(bytes([byte]))
        parser.feed(b"")
    assert parser.next_event() in (b"c", b"abc")
    assert parser.next_event() is END


def test_pipelined_requests_come_one_by_one() -> None:
    gatherer = Gatherer()
    gatherer.feed(
        b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in range(99))
    )
    for n in range(99):
        request = gatherer.next_request()
        assert request is not None
        assert request.target == f"/{n}"
    assert gatherer.next_request() is None
