#!/usr/bin/env python3
"""CPU time that a request costs Envoy: with no filter, with the Wasm plugin, with the dynamic module.

    make plugin dynamic-module-build && tests/dynamic-module/measure.py [ROUNDS]

One Envoy for each variant, one worker, on core 0; wrk on core 1. The route answers by itself; there is no access log; the
shipped guard is behind plugin and module. Each round takes a sample of one second of each lane, back and forth; the first
two rounds warm up. Of a sample counts the time on the CPU of Envoy's worker thread, by the scheduler's own count, for
each request. Shown is the median of the rounds, and the quartiles. Needs wrk, taskset, openssl and two cores.
"""

import base64, copy, hashlib, json, os, re, socket, socketserver, statistics, subprocess, sys, tempfile, threading, time
import http.client
from http.server import BaseHTTPRequestHandler
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 10
WARM_UP = 2
DOMAIN, AUDIENCE, CLIENT = "example.org", "backend.example.org", "spiffe://example.org/client"
FILTERS = "type.googleapis.com/envoy.extensions.filters.http"


def main():
    with tempfile.TemporaryDirectory(prefix="measure-") as folder:
        folder = Path(folder)
        keys = {"ES256": Key(folder, "ES256"), "RS256": Key(folder, "RS256")}
        snapshot = make_snapshot([key.jwk for key in keys.values()])
        (folder / "snapshot.json").write_bytes(snapshot)
        serve(folder / "c.sock", snapshot)
        envoys = {}
        try:
            for name, filters in variants(folder).items():
                envoys[name] = Envoy(folder, name, filters)
            tokens = {algorithm: key.token() for algorithm, key in keys.items()}
            for name, envoy in envoys.items():
                prove(name, envoy, tokens)
            report(measure(folder, envoys, tokens))
        finally:
            for envoy in envoys.values():
                envoy.__exit__()


def variants(folder):
    uncached = {"token_cache": {"entries": 0}}

    def wasm(**more):
        code = {"local": {"filename": str(ROOT / "target/svidgate.wasm")}}
        vm = {"vm_id": "svidgate", "runtime": "envoy.wasm.runtime.v8", "code": code}
        inner = {"name": "svidgate", "root_id": "svidgate", "vm_config": vm, "configuration": text(plugin_config(**more))}
        return [{"name": "svidgate", "typed_config": {"@type": f"{FILTERS}.wasm.v3.Wasm", "config": inner}}, guard()]

    def module(**more):
        source = {"local": {"filename": str(ROOT / "target/svidgate-dynamic-module.so")}}
        config = {"snapshot": str(folder / "snapshot.json"), "plugin": plugin_config(**more)}
        return [module_filter(source, config), guard()]

    return {
        "none": [],
        "wasm": wasm(),
        "module": module(),
        "wasm-uncached": wasm(**uncached, crypto="host"),
        "wasm-uncached-itself": wasm(**uncached, crypto="wasm"),
        "module-uncached": module(**uncached),
    }


def plugin_config(**more):
    return {
        "controller": {"cluster": "svidgate_controller"},
        "audiences": [AUDIENCE],
        "allowed_spiffe_ids": [CLIENT],
        "log": {"refusals": {"level": "off"}},
        **more,
    }


def module_filter(source, config):
    inner = {"@type": f"{FILTERS}.dynamic_modules.v3.DynamicModuleFilter", "filter_name": "svidgate"}
    inner |= {"dynamic_module_config": {"module": source}, "filter_config": text(config)}
    return {"name": "svidgate", "typed_config": inner}


def guard():
    """As in the shipped bootstrap."""
    principal = {"filter_state": {"key": "wasm.svidgate", "string_match": {"exact": "verified"}}}
    policy = {"permissions": [{"any": True}], "principals": [principal]}
    rules = {"action": "ALLOW", "policies": {"verified-by-svidgate": policy}}
    return {"name": "guard", "typed_config": {"@type": f"{FILTERS}.rbac.v3.RBAC", "rules": rules}}


def text(value):
    return {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": json.dumps(value)}


# Lane → variant of Envoy, and whose token; none: a request without one.
LANES = {
    "no filter": ("none", "ES256"),
    "Wasm plugin, token in the cache": ("wasm", "ES256"),
    "module, token in the cache": ("module", "ES256"),
    "Wasm plugin, no token (401)": ("wasm", None),
    "module, no token (401)": ("module", None),
    "Wasm plugin, ES256 checked by Envoy": ("wasm-uncached", "ES256"),
    "Wasm plugin, ES256 checked in Wasm": ("wasm-uncached-itself", "ES256"),
    "module, ES256 checked by RustCrypto": ("module-uncached", "ES256"),
    "Wasm plugin, RS256 checked by Envoy": ("wasm-uncached", "RS256"),
    "Wasm plugin, RS256 checked in Wasm": ("wasm-uncached-itself", "RS256"),
    "module, RS256 checked by RustCrypto": ("module-uncached", "RS256"),
}


class Key:
    """A key of the trust domain, made and used by openssl."""

    def __init__(self, folder, algorithm, file=None):
        self.algorithm, self.path = algorithm, folder / (file or f"{algorithm}.pem")
        curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        rsa = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
        openssl("genpkey", *(curve if algorithm == "ES256" else rsa), "-out", self.path)
        self.jwk = {"kid": algorithm, "use": "jwt-svid"}
        if algorithm == "ES256":
            point = openssl("pkey", "-in", self.path, "-pubout", "-outform", "DER")[-64:]
            self.jwk |= {"kty": "EC", "crv": "P-256", "x": b64(point[:32]), "y": b64(point[32:])}
        else:
            modulus = openssl("rsa", "-in", self.path, "-modulus", "-noout").decode().strip().split("=")[1]
            self.jwk |= {"kty": "RSA", "n": b64(bytes.fromhex(modulus)), "e": "AQAB"}

    def token(self, kid=None, **more):
        now = int(time.time())
        claims = {"sub": CLIENT, "aud": [AUDIENCE], "iat": now, "exp": now + 3600, **more}
        parts = [{"alg": self.algorithm, "kid": kid or self.algorithm, "typ": "JWT"}, claims]
        signed = ".".join(b64(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
        signature = openssl("dgst", "-sha256", "-sign", self.path, input=signed.encode())
        if self.algorithm == "ES256":
            signature = fixed_width(signature)
        return f"{signed}.{b64(signature)}"


def fixed_width(der):
    """DER `SEQUENCE { r, s }` as `r || s` of 32 octets each (RFC 7518 §3.4)."""
    end = 4 + der[3]
    r, s = der[4:end], der[end + 2 :]
    return b"".join(number.lstrip(b"\0").rjust(32, b"\0") for number in (r, s))


def make_snapshot(jwks):
    at = int(time.time() * 1000)
    content = {"trust": {DOMAIN: {"jwks": {"keys": jwks}, "source": "measure"}}}
    content = json.dumps(content, separators=(",", ":"))
    revision = hashlib.sha256(content.encode()).hexdigest()
    observed = json.dumps({"at": at, "domains": {DOMAIN: at}})
    return f'{{"format":1,"revision":"{revision}","observed":{observed},"content":{content}}}'.encode()


def serve(path, snapshot):
    """The controller's part: the snapshot at once, and 304 after a while to who has it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            known = self.headers["if-none-match"] is not None
            if known:
                time.sleep(20)
            self.send_response(304 if known else 200)
            self.send_header("content-length", "0" if known else str(len(snapshot)))
            self.end_headers()
            if not known:
                self.wfile.write(snapshot)

        def address_string(self):
            return "envoy"

        def log_message(self, *_):
            pass

    class Server(socketserver.ThreadingUnixStreamServer):
        def handle_error(self, *_):
            """Envoy has gone while its request was held."""

    server = Server(str(path), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()


class Envoy:
    """One with a single worker, on core 0. `port` is that of a service; without one Envoy answers by itself."""

    def __init__(self, folder, name, filters, port=None):
        self.start(folder, name, filters, port)
        self.admin = wait(lambda: self.admin_file.exists() and self.admin_file.read_text().strip(), f"{name} starts")
        wait(lambda: self.ask_admin("/server_info")["state"] == "LIVE", f"{name} is ready")
        listeners = wait(lambda: self.ask_admin("/listeners?format=json").get("listener_statuses"), f"{name} listens")
        self.port = listeners[0]["local_address"]["socket_address"]["port_value"]
        self.worker = wait(self.find_worker, f"{name} has a worker")

    @classmethod
    def launch(cls, *arguments):
        """Does not wait, for one that will not come up."""
        envoy = cls.__new__(cls)
        envoy.start(*arguments)
        return envoy

    def start(self, folder, name, filters, port):
        self.admin_file, self.log = folder / f"{name}.admin", folder / f"{name}.log"
        config = folder / f"{name}.json"
        config.write_text(json.dumps(bootstrap(folder, filters, port)))
        program = subprocess.check_output([ROOT / "tests/tools/install.sh", "--where", "envoy"], text=True).strip()
        command = ["taskset", "-c", "0", f"{program}/envoy", "-c", config, "--admin-address-path", self.admin_file]
        command += ["--concurrency", "1", "--disable-hot-restart", "--log-level", "info"]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def ask(self, token, headers={}):
        """Status and body of the answer to a request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        bearer = {"authorization": f"Bearer {token}"} if token else {}
        connection.request("GET", "/", headers=bearer | headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def send_raw(self, request):
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(request.encode())
            return b"".join(iter(lambda: connection.recv(4096), b""))

    def ask_admin(self, path):
        connection = http.client.HTTPConnection(self.admin, timeout=10)
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())

    def find_worker(self):
        tasks = Path(f"/proc/{self.process.pid}/task")
        found = [task for task in tasks.iterdir() if (task / "comm").read_text().startswith("wrk:worker_0")]
        return found[0] if found else None

    def cpu(self):
        return int((self.worker / "schedstat").read_text().split()[0])


def bootstrap(folder, filters, port):
    router = {"name": "router", "typed_config": {"@type": f"{FILTERS}.router.v3.Router"}}
    answer = {"status": 200, "body": {"inline_string": "ok"}}
    action = {"route": {"cluster": "service"}} if port else {"direct_response": answer}
    host = {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, **action}]}
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "measure",
        "normalize_path": True,
        "http_protocol_options": {"enable_trailers": True},
        "http_filters": [*filters, router],
        "route_config": {"virtual_hosts": [host]},
    }
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    chain = {"filters": [{"name": "manager", "typed_config": manager}]}
    clusters = [cluster("svidgate_controller", {"pipe": {"path": str(folder / "c.sock")}})]
    if port:
        clusters.append(cluster("service", {"socket_address": {"address": "127.0.0.1", "port_value": port}}))
    resources = {"listeners": [{"name": "all", "address": address, "filter_chains": [chain]}], "clusters": clusters}
    return {"static_resources": resources, "admin": {"address": copy.deepcopy(address)}}


def cluster(name, address):
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    options = {"explicit_http_config": {"http_protocol_options": {"enable_trailers": True}}}
    kind = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    return {
        "name": name,
        "type": "STATIC",
        "load_assignment": {"cluster_name": name, "endpoints": endpoints},
        "typed_extension_protocol_options": {kind: {"@type": f"type.googleapis.com/{kind}", **options}},
    }


def prove(name, envoy, tokens):
    """Each filter does what it is there for, or the figures say nothing."""
    for token in tokens.values():
        wait(lambda: envoy.ask(token)[0] == 200, f"{name} lets a good token in")
        head, payload, signature = token.split(".")
        changed = "B" if signature[20] == "A" else "A"
        forged = f"{head}.{payload}.{signature[:20]}{changed}{signature[21:]}"
        for bad in (forged, None, "junk"):
            status = envoy.ask(bad)[0]
            assert status == (200 if name == "none" else 401), f"{name}: {status}"


def measure(folder, envoys, tokens):
    script = folder / "load.lua"
    script.write_text(
        "done = function(s) io.write(string.format('N=%d E=%d R=%d\\n', s.requests, s.errors.connect + s.errors.read"
        " + s.errors.write + s.errors.timeout, s.errors.status)) end\n"
    )
    samples = {lane: [] for lane in LANES}
    for round in range(WARM_UP + ROUNDS):
        print(f"round {round + 1} of {WARM_UP + ROUNDS}", file=sys.stderr)
        lanes = list(LANES.items())
        for lane, (variant, algorithm) in reversed(lanes) if round % 2 else lanes:
            envoy = envoys[variant]
            command = ["taskset", "-c", "1", "wrk", "-t1", "-c32", "-d1s", "-s", script, f"http://127.0.0.1:{envoy.port}/"]
            if algorithm:
                command += ["-H", f"authorization: Bearer {tokens[algorithm]}"]
            used, requests = 0, 0
            # On a machine that others use a sample may get hardly any time.
            while requests < 100:
                before = envoy.cpu()
                output = subprocess.check_output(command, text=True)
                used += envoy.cpu() - before
                done, failed, refused = map(int, re.search(r"N=(\d+) E=(\d+) R=(\d+)", output).groups())
                assert failed == 0 and refused == (0 if algorithm else done), f"{lane}: {output}"
                requests += done
            if round >= WARM_UP:
                samples[lane].append(used / requests / 1000)
    return samples


def report(samples):
    medians = {lane: statistics.median(values) for lane, values in samples.items()}
    base = medians["no filter"]
    print(f"Envoy 1.40, {ROUNDS} rounds, load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; µs of CPU for each request")
    print("| | median | quartiles | added to no filter |\n| --- | ---: | ---: | ---: |")
    for lane, values in samples.items():
        low, _, high = statistics.quantiles(values, n=4)
        added = "" if lane == "no filter" else f"{medians[lane] - base:.1f}"
        print(f"| {lane} | {medians[lane]:.1f} | {low:.1f}–{high:.1f} | {added} |")


def wait(condition, what):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if found := condition():
                return found
        except (OSError, ValueError):
            pass
        time.sleep(0.05)
    raise SystemExit(f"not within a minute: {what}")


def openssl(*arguments, input=None):
    return subprocess.run(["openssl", *arguments], input=input, check=True, capture_output=True).stdout


def b64(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


if __name__ == "__main__":
    main()
