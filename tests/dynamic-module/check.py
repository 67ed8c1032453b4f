#!/usr/bin/env python3
"""Shows on a real Envoy, behind the shipped guard, what the dynamic module lets in and what its faults do to Envoy.

    make dynamic-module-build && tests/dynamic-module/check.py
"""

import contextlib, http.client, json, os, tempfile, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import measure
from measure import CLIENT, Envoy, Key, ROOT, wait

MODULE = ROOT / "target/svidgate-dynamic-module.so"
ABI = b"v0.2.0"  # of Envoy 1.40
FORGED_ID = "spiffe://example.org/forged"


def main():
    with tempfile.TemporaryDirectory(prefix="check-") as folder:
        folder = Path(folder)
        keys = {name: Key(folder, name) for name in ("ES256", "RS256")}
        stranger = Key(folder, "ES256", "stranger.pem")
        snapshot = measure.make_snapshot([key.jwk for key in keys.values()])
        (folder / "snapshot.json").write_bytes(snapshot)
        with service() as (port, seen):
            rig = Rig(folder, port, seen)
            checks = [
                lambda: good_tokens_pass_with_their_identity(rig, keys),
                lambda: nothing_else_passes(rig, keys, stranger),
                lambda: an_identity_does_not_come_in_as_a_trailer(rig, keys),
                lambda: a_wrong_configuration_is_refused_at_start(rig),
                lambda: a_remote_module_that_cannot_be_fetched_lets_everything_pass_but_for_the_guard(rig, keys),
                lambda: envoy_runs_a_module_of_another_abi_version_after_a_warning(rig, keys, stranger),
                lambda: a_panic_ends_the_request_and_an_abort_ends_envoy(rig, keys),
            ]
            for check in checks:
                print(check.__code__.co_names[0].replace("_", " "))
                check()


def good_tokens_pass_with_their_identity(rig, keys):
    with rig.envoy("good") as envoy:
        # The second one of each is in the cache.
        for algorithm in ("ES256", "ES256", "RS256", "RS256"):
            headers = {"X-SPIFFE-ID": FORGED_ID, "x_spiffe-id": FORGED_ID, "x-other": "stays"}
            status, _ = envoy.ask(keys[algorithm].token(), headers)
            request = rig.seen.pop()
            assert status == 200 and request["x-spiffe-id"] == [CLIENT], (status, request)
            assert request["x-other"] == ["stays"] and "authorization" not in request, request
            assert FORGED_ID not in json.dumps(request), request
        log = envoy.log.read_text()
        assert f"ABI version {ABI.decode()} matched" in log, log


def nothing_else_passes(rig, keys, stranger):
    key, now = keys["ES256"], int(time.time())
    head, payload, signature = key.token().split(".")
    rsa = keys["RS256"].token()
    refused = [
        (None, 401, "token_missing"),
        ("junk", 401, "token_malformed"),
        (f"{head}.{payload}.{flip(signature)}", 401, "signature_invalid"),
        (rsa[:-40] + flip(rsa[-40:]), 401, "signature_invalid"),
        (stranger.token(kid="ES256"), 401, "signature_invalid"),
        (stranger.token(kid="unknown"), 401, "key_unknown"),
        (key.token(exp=now - 60, iat=now - 360), 401, "token_expired"),
        (key.token(aud=["elsewhere.example.org"]), 401, "audience_mismatch"),
        (key.token(sub="spiffe://example.org/other"), 403, "caller_not_allowed"),
    ]
    with rig.envoy("bad") as envoy:
        for token, status, reason in refused:
            got, body = envoy.ask(token)
            assert (got, json.loads(body)["reason"]) == (status, reason), (got, body, reason)
        assert not rig.seen, rig.seen
        assert envoy.ask(key.token())[0] == 200 and rig.seen.pop()["x-spiffe-id"] == [CLIENT]


def an_identity_does_not_come_in_as_a_trailer(rig, keys):
    with rig.envoy("trailer") as envoy:
        head = f"POST / HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {keys['ES256'].token()}\r\nconnection: close\r\n"
        body = f"transfer-encoding: chunked\r\n\r\n0\r\nx-spiffe-id: {FORGED_ID}\r\nx-other: stays\r\n\r\n"
        answer = envoy.send_raw(head + body)
        request = rig.seen.pop()
        assert b" 200 " in answer.split(b"\r\n")[0], answer
        assert request["x-spiffe-id"] == [CLIENT] and request["trailers"] == "x-other: stays\r\n", request


def a_wrong_configuration_is_refused_at_start(rig):
    """A module is configured on the main thread, once: there is no worker on which that could fail alone."""
    good = rig.configuration()
    for change, expected in [
        ({"snapshot": "/nowhere/snapshot.json"}, "/nowhere/snapshot.json"),
        ({"plugin": {**good["plugin"], "audiences": []}}, "audiences"),
        ({"other": 1}, "unknown field `other`"),
    ]:
        envoy = Envoy.launch(rig.folder, "refused", rig.filters(rig.local(MODULE), {**good, **change}), rig.port)
        assert envoy.process.wait(60) != 0
        assert expected in envoy.log.read_text(), envoy.log.read_text()


def a_remote_module_that_cannot_be_fetched_lets_everything_pass_but_for_the_guard(rig, keys):
    """So the guard is needed with a module as well."""
    uri = {"uri": "http://127.0.0.1/module.so", "cluster": "svidgate_controller", "timeout": "1s"}
    source = {"remote": {"http_uri": uri, "sha256": "0" * 64, "retry_policy": {"num_retries": 0}}}
    filters = rig.filters(source, rig.configuration())
    with Envoy(rig.folder, "remote-open", filters[:1], rig.port) as envoy:
        assert envoy.ask(None)[0] == 200, "Envoy no longer lets everything through"
        rig.seen.pop()
    with Envoy(rig.folder, "remote-guarded", filters, rig.port) as envoy:
        assert envoy.ask(keys["ES256"].token())[0] == 403 and not rig.seen


def envoy_runs_a_module_of_another_abi_version_after_a_warning(rig, keys, stranger):
    """So nothing but care keeps an Envoy from calling a module whose structures are not its own."""
    text = MODULE.read_bytes()
    assert text.count(ABI + b"\0") == 1
    other = rig.folder / "other-abi.so"
    other.write_bytes(text.replace(ABI + b"\0", b"v9.9.9\0"))
    with rig.envoy("abi", other) as envoy:
        assert envoy.ask(keys["ES256"].token())[0] == 200 and rig.seen.pop()
        assert envoy.ask(stranger.token(kid="ES256"))[0] == 401
        assert "ABI version v9.9.9 is deprecated" in envoy.log.read_text()


def a_panic_ends_the_request_and_an_abort_ends_envoy(rig, keys):
    """What the Wasm sandbox does, the module must do itself, as far as it can."""
    token = keys["ES256"].token()
    with rig.envoy("faults", test_faults=True) as envoy:
        status, body = envoy.ask(token, {"x-test-fault": "panic"})
        assert (status, json.loads(body)["reason"]) == (503, "internal"), (status, body)
        assert envoy.ask(token)[0] == 200 and rig.seen.pop()
        log = envoy.log.read_text()
        assert "svidgate: panic at " in log and "asked for by a test" not in log, log
        with contextlib.suppress(ConnectionError, http.client.RemoteDisconnected):
            raise AssertionError(envoy.ask(token, {"x-test-fault": "abort"}))
        assert envoy.process.wait(60) != 0 and not rig.seen


def flip(text):
    middle = len(text) // 2
    return text[:middle] + ("B" if text[middle] == "A" else "A") + text[middle + 1 :]


class Rig:
    def __init__(self, folder, port, seen):
        self.folder, self.port, self.seen = folder, port, seen

    def configuration(self):
        return {"snapshot": str(self.folder / "snapshot.json"), "plugin": measure.plugin_config()}

    def local(self, module):
        return {"local": {"filename": str(module)}}

    def filters(self, source, configuration):
        return [measure.module_filter(source, configuration), measure.guard()]

    def envoy(self, name, module=MODULE, **more):
        return Envoy(self.folder, name, self.filters(self.local(module), self.configuration() | more), self.port)


@contextlib.contextmanager
def service():
    """A service that notes the headers and trailers of each request."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            request = {name.lower(): self.headers.get_all(name) for name in self.headers}
            if self.headers["transfer-encoding"]:
                assert self.rfile.readline() == b"0\r\n"
                request["trailers"] = "".join(line.decode() for line in iter(self.rfile.readline, b"\r\n"))
            seen.append(request)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port, seen
    server.shutdown()


if __name__ == "__main__":
    main()
