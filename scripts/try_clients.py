#!/usr/bin/env python3
"""Proves with a running server that it answers clients as people have them, one line each.

    python3 scripts/try_clients.py http://127.0.0.1:8080

It begins nothing, and leaves one alias behind, which it removes. What needs a client that is not installed is passed
over and said; all of them:

    pip install openai cohere aiohttp langchain-community huggingface_hub langchain-openai numpy

It ends with 1 where anything fails.
"""

import asyncio
import gzip
import http.client
import json
import os
import struct
import sys
import urllib.error
import urllib.parse
import urllib.request

os.environ |= {"HF_HUB_DISABLE_TELEMETRY": "1", "LANGSMITH_TRACING": "false"}

URL = sys.argv[1].rstrip("/") if len(sys.argv) > 1 else "http://127.0.0.1:8080"
TEXTS = ["Data Scientist", "看護師", "a nurse who writes software in Kyoto"]
CASES = []


class Missing(Exception):
    """What a case needs is not here."""


def case(number: str, what: str):
    def keep(function):
        CASES.append((number, what, function))
        return function

    return keep


def ask(path: str, body=None, method=None, **headers):
    """The status, the headers and the bytes of a reply, whatever it is."""
    data = json.dumps(body).encode() if body is not None and not isinstance(body, bytes) else body
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    names.setdefault("Content-Type", "application/json")
    request = urllib.request.Request(URL + path, data, names, method=method)
    try:
        with urllib.request.urlopen(request) as reply:
            return reply.status, reply.headers, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def told(path: str, body=None, method=None, **headers):
    status, _, text = ask(path, body, method, **headers)
    return status, json.loads(text or b"null")


def same(a, b) -> bool:
    return len(a) == len(b) and all(abs(x - y) < 1e-5 for x, y in zip(a, b))


def need(module: str):
    try:
        return __import__(module, fromlist=["_"])
    except ImportError:
        raise Missing(module.replace("_", "-").split(".")[0]) from None


def openai(**settings):
    return need("openai").OpenAI(base_url=URL + "/v1", api_key="none", **settings)


@case("S1", "?model= names the model on every route, and no other field is passed over")
def _():
    bodies = {"/embed": {"inputs": "x"}, "/": {"inputs": "x"}, "/tokenize": {"inputs": "x"},
              "/similarity": {"source_sentence": "x", "sentences": ["y"]}, "/v1/embeddings": {"input": "x"},
              "/embeddings": {"input": "x"}, "/rerank": {"query": "x", "texts": ["y"]}}
    for path, body in bodies.items():
        found = [ask(path + query, body)[0] for query in ("?model=default", "?model=no-such-model", "?modle=default")]
        assert found == [200, 404, 422], (path, found)


@case("S2", "LangChain's HuggingFaceInferenceAPIEmbeddings (`options` beside `inputs`)")
def _():
    body = {"inputs": TEXTS, "options": {"wait_for_model": True, "use_cache": True}}
    assert ask("/embed", body)[0] == 200
    status, error = told("/embed", {"inputs": []})
    assert status == 422 and error["error"] and error["error_type"] == "Validation", error
    community = need("langchain_community.embeddings")
    embeddings = community.HuggingFaceInferenceAPIEmbeddings(api_key="none", api_url=URL + "/embed")
    assert len(embeddings.embed_documents(TEXTS)) == 3


@case("S3", "2,048 cut texts: no header grows with them (aiohttp, nginx)")
def _():
    async def with_aiohttp(body):
        aiohttp = need("aiohttp")
        async with aiohttp.ClientSession() as session:
            async with session.post(URL + "/embed", json=body) as reply:
                assert reply.status == 200
                return dict(reply.headers)

    # Few words, and more tokens than any model here reads.
    short = {"inputs": [("word " * 600) for _ in range(64)]}
    headers = ask("/embed", short)[1]
    assert int(headers.get("x-truncated-count", 0)) in (0, 64), headers
    longest = max(len(value) for value in headers.values())
    assert longest < 300, longest
    assert len(asyncio.run(with_aiohttp(short))["x-truncated-inputs"]) < 300


@case("S4", "a body that is too large: the error names size, limit, setting and how many texts to send")
def _():
    status, error = told("/embed", b" " * (60 << 20))
    assert status == 413 and "SHAMISEN_MAX_BODY" in error["detail"], error
    assert str(60 << 20) in error["detail"] and "requests" in error["hint"], error


@case("S4", "1,024 texts of 2,000 kanji, written as \\uXXXX, are read")
def _():
    # One of them is no text, so that they are read and refused before they are embedded.
    status, error = told("/embed", {"inputs": ["漢" * 2000] * 1023 + [None]})
    assert (status, error["code"]) == (422, "wrong_type"), error


@case("S5", "openai: what is being worked on is not cut off")
def _():
    reply = openai(max_retries=0).embeddings.create(model="default", input=["word " * 100] * 256)
    assert len(reply.data) == 256


@case("S6", "half of a surrogate pair, as JSON.stringify writes it")
def _():
    status, reply = told("/embed", rb'{"inputs": ["caf\ud83d", "caf\ufffd"]}')
    assert status == 200 and same(*reply)


@case("S7", "1,500 values at once, as the Vercel AI SDK sends them")
def _():
    assert told("/info")[1]["max_client_batch_size"] >= 2048
    assert len(told("/v1/embeddings", {"input": ["nurse"] * 1500})[1]["data"]) == 1500


@case("S8", "AsyncOpenAI, 500 calls at once without retries: served or told by 503")
def _():
    library = need("openai")

    async def all_at_once():
        async with library.AsyncOpenAI(base_url=URL + "/v1", api_key="none", max_retries=0, timeout=300) as client:
            calls = [client.embeddings.create(model="default", input="nurse") for _ in range(500)]
            return await asyncio.gather(*calls, return_exceptions=True)

    ends = asyncio.run(all_at_once())
    reset = [end for end in ends if isinstance(end, library.APIConnectionError)]
    others = [end for end in ends if isinstance(end, Exception) and getattr(end, "status_code", 0) != 503]
    assert not reset and not others, f"{len(reset)} were reset, {others[:1]}"


@case("S10", "a body packed by gzip, and a reply packed where asked")
def _():
    body = gzip.compress(json.dumps({"inputs": TEXTS * 20}).encode())
    status, headers, packed = ask("/embed", body, Content_Encoding="gzip", Accept_Encoding="gzip")
    assert status == 200 and headers["content-encoding"] == "gzip", (status, headers)
    assert len(json.loads(gzip.decompress(packed))) == 60
    assert ask("/embed", {"inputs": TEXTS})[1]["content-encoding"] is None


@case("S11", "openai with a base URL without /v1")
def _():
    client = need("openai").OpenAI(base_url=URL, api_key="none")
    assert len(client.embeddings.create(model="default", input=TEXTS).data) == 3


@case("S12", "aliases with slash and colon, listed; a suggestion by what is behind the last slash")
def _():
    alias = "try-clients/bge-m3:latest"
    path = "/aliases/" + urllib.parse.quote(alias, safe="")
    assert ask(path, {"model": "default"}, "PUT")[0] == 200
    try:
        client = openai()
        assert alias in [model.id for model in client.models.list().data]
        assert len(client.embeddings.create(model=alias, input="nurse").data) == 1
    finally:
        assert ask(path, method="DELETE")[0] == 204
    error = told("/embed", {"inputs": "x", "model": "somebody/Default"})[1]
    assert "Did you mean" in error["detail"], error


@case("S13", "openai's extra_body: prompt_name and on_error")
def _():
    client = openai()
    reply = client.embeddings.create(
        model="default", input=["nurse", ""], encoding_format="float", extra_body={"on_error": "null"})
    assert reply.data[1].embedding is None and reply.data[0].embedding
    try:
        client.embeddings.create(model="default", input="x", extra_body={"prompt_name": "no-such-prompt"})
        raise AssertionError("an unknown prompt was passed over")
    except need("openai").UnprocessableEntityError as error:
        assert error.code == "prompt_not_found", error


@case("S14", "a byte order mark is passed over; UTF-16 and Shift_JIS are told")
def _():
    text = json.dumps({"inputs": "看護師"}, ensure_ascii=False)
    assert ask("/embed", text.encode("utf-8-sig"))[0] == 200
    for encoding in ("utf-16", "utf-16-le", "shift_jis"):
        status, error = told("/embed", text.encode(encoding))
        assert status == 415 and "UTF-8" in error["hint"], (encoding, status, error)


@case("S15", "a pointer to the text that is too long; Host in capitals; no Host in HTTP/1.1")
def _():
    status, error = told("/embed", {"inputs": ["x", "word " * 9000], "truncate": False})
    assert error.get("param") == "/inputs/1" or status == 200, error
    address = urllib.parse.urlsplit(URL)

    def status_with(hosts):
        connection = http.client.HTTPConnection(address.hostname, address.port)
        connection.putrequest("GET", "/models", skip_host=True)
        for host in hosts:
            connection.putheader("Host", host)
        connection.endheaders()
        return connection.getresponse().status

    assert (status_with(["LOCALHOST"]), status_with([])) == (200, 400)


@case("S16", "/rerank in text-embeddings-inference's shape")
def _():
    status, ranks = told("/rerank", {"query": "nurse", "texts": ["welder", "nurse"], "return_text": True})
    assert status == 200 and ranks[0]["index"] == 1 and ranks[0]["text"] == "nurse", ranks


@case("S16", "cohere's client: rerank")
def _():
    client = need("cohere").ClientV2(api_key="none", base_url=URL)
    reply = client.rerank(model="default", query="nurse", documents=["welder", "nurse"], top_n=1)
    assert [result.index for result in reply.results] == [1]


@case("S16", "/v1/rerank in Jina's shape")
def _():
    body = {"model": "default", "query": "nurse", "documents": ["welder", "nurse"], "return_documents": True}
    status, reply = told("/v1/rerank", body)
    assert status == 200 and reply["results"][0]["document"]["text"] == "nurse" and reply["usage"]["total_tokens"]


@case("S16", "vectors as bytes: float32, float16, int8")
def _():
    numbers = told("/embed", {"inputs": TEXTS})[1]
    for dtype, letter, size, scale, error in (
            ("float32", "f", 4, 1, 1e-6), ("float16", "e", 2, 1, 1e-3), ("int8", "b", 1, 127, 4.1e-3)):
        body = {"inputs": TEXTS, "output_dtype": dtype}
        status, headers, read = ask("/embed", body, Accept="application/octet-stream")
        rows, columns = map(int, headers["x-vectors-shape"].split(","))
        assert (status, rows, len(read)) == (200, 3, rows * columns * size), dtype
        assert headers["x-vectors-dtype"] == dtype and headers["x-model"]
        values = [value / scale for value in struct.unpack(f"<{rows * columns}{letter}", read)]
        assert all(abs(a - b) < error for a, b in zip(values, sum(numbers, []))), dtype


@case("S16", "vectors as a file of numpy")
def _():
    import io

    numpy = need("numpy")
    matrix = numpy.load(io.BytesIO(ask("/embed", {"inputs": TEXTS, "output_dtype": "float16"}, Accept="application/x-npy")[2]))
    assert matrix.shape[0] == 3 and matrix.dtype == numpy.float16


@case("S16", "openai: output_dtype below /v1, in base64")
def _():
    import base64

    reply = told("/v1/embeddings", {"input": "nurse", "encoding_format": "base64", "output_dtype": "int8"})[1]
    numbers = told("/v1/embeddings", {"input": "nurse"})[1]["data"][0]["embedding"]
    assert len(base64.b64decode(reply["data"][0]["embedding"])) == len(numbers)


def main() -> int:
    failed = 0
    for number, what, function in CASES:
        try:
            function()
            outcome = "ok"
        except Missing as missing:
            outcome = f"passed over: pip install {missing}"
        except Exception as error:  # noqa: BLE001 a line for each case, whatever it ends in
            failed += 1
            outcome = f"FAILED: {type(error).__name__}: {str(error)[:300]}"
        print(f"{number:4} {what}: {outcome}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
