"""Who may ask an HTTP API from another site, and with which token: a template's API, an issuer of the test's own."""

import asyncio
import base64
import http.client
import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from local import http_api_rules
from tests.embedded import fresh

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value):
    return encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))


@pytest.fixture(scope="module")
def issuer(certificate_authority):
    """An identity provider: its description, its keys, and a page for the API to show."""
    public = KEY.public_key().public_numbers()
    keys = {"keys": [{"kid": "one", "kty": "RSA", "alg": "RS256", "n": number(public.n), "e": number(public.e)}]}

    class Provider(BaseHTTPRequestHandler):
        def do_GET(self):
            described = {"issuer": self.server.url, "jwks_uri": f"{self.server.url}/keys"}
            content = json.dumps(
                {"/keys": keys, "/.well-known/openid-configuration": described}.get(self.path, {})
            ).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    server.socket = certificate_authority.server_context("localhost").wrap_socket(server.socket, server_side=True)
    server.url = f"https://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server.url
    server.shutdown()
    server.server_close()
    thread.join(timeout=5)


@pytest.fixture(scope="module")
def api(embedded, issuer):
    """The id of an API that a template made: GET /open for anyone, GET /guarded for tokens, one site's pages welcome."""
    reference = {"Ref": "Api"}
    route = {"ApiId": reference, "Target": {"Fn::Join": ["/", ["integrations", {"Ref": "Integration"}]]}}
    resources = {
        "Api": {
            "Name": "rules",
            "ProtocolType": "HTTP",
            "CorsConfiguration": {
                "AllowOrigins": ["https://app.example.com"],
                "AllowMethods": ["GET", "POST"],
                "AllowHeaders": ["authorization"],
                "MaxAge": 77,
            },
        },
        "Integration": {
            "ApiId": reference,
            "IntegrationType": "HTTP_PROXY",
            "IntegrationMethod": "GET",
            "IntegrationUri": f"{issuer}/shown",
            "PayloadFormatVersion": "1.0",
        },
        "Authorizer": {
            "ApiId": reference,
            "Name": "tokens",
            "AuthorizerType": "JWT",
            "IdentitySource": ["$request.header.Authorization"],
            "JwtConfiguration": {"Issuer": issuer, "Audience": ["whippet"]},
        },
        "OpenRoute": {**route, "RouteKey": "GET /open", "AuthorizationType": "NONE"},
        "GuardedRoute": {
            **route,
            "RouteKey": "GET /guarded",
            "AuthorizationType": "JWT",
            "AuthorizerId": {"Ref": "Authorizer"},
            "AuthorizationScopes": ["predict"],
        },
        "Stage": {"ApiId": reference, "StageName": "$default", "AutoDeploy": True},
    }
    kinds = {"OpenRoute": "Route", "GuardedRoute": "Route"}
    template = {
        "Resources": {
            name: {"Type": f"AWS::ApiGatewayV2::{kinds.get(name, name)}", "Properties": body}
            for name, body in resources.items()
        },
        "Outputs": {"Id": {"Value": reference}},
    }
    name, cloudformation = fresh("rules"), embedded.client("cloudformation")
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 0.1})
    (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    return stack["Outputs"][0]["OutputValue"]


@pytest.fixture
def ask(embedded, api):
    def made(method, path, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", embedded.running.facts.http_port, timeout=10)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers={"Host": f"{api}.execute-api.localhost", **given})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}

    return made


def token(issuer, key=KEY, header=None, drop=(), **changes):
    now = int(time.time())
    claims = {"iss": issuer, "aud": "whippet", "iat": now - 5, "exp": now + 60, "scope": "other predict", **changes}
    claims = {name: value for name, value in claims.items() if name not in drop}
    parts = [{"alg": "RS256", "kid": "one", **(header or {})}, claims]
    signed = ".".join(encoded(json.dumps(part).encode()) for part in parts)
    return f"{signed}.{encoded(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def test_a_token_as_the_authorizer_wants_it_passes(ask, issuer):
    assert ask("GET", "/guarded", Authorization=f"Bearer {token(issuer)}")[0] == 200
    assert ask("GET", "/guarded", Authorization=f"Bearer {token(issuer, drop=['aud'], client_id='whippet')}")[0] == 200


def test_without_a_token_only_the_open_route_answers(ask):
    assert ask("GET", "/guarded")[0] == 401
    assert ask("GET", "/open")[0] == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://id.example.com"},
        {"aud": "somebody-else"},
        {"aud": ["somebody-else"]},
        {"aud": "somebody-else", "client_id": "whippet"},
        {"exp": 1},
        {"exp": "never"},
        {"nbf": 4_102_444_800},
        {"iat": 4_102_444_800},
        {"key": OTHER_KEY},
        {"header": {"kid": "two"}},
        {"drop": ["exp"]},
        {"drop": ["aud"]},
        {"drop": ["iss"]},
    ],
    # Two runners must find the same names, and a key's holds its address.
    ids=lambda changes: "key of somebody else" if "key" in changes else str(changes),
)
def test_any_other_token_is_refused(ask, issuer, changes):
    assert ask("GET", "/guarded", Authorization=f"Bearer {token(issuer, **changes)}")[0] == 401


def test_a_token_that_nobody_signed_is_refused(ask, issuer):
    unsigned = token(issuer, header={"alg": "none"}).rsplit(".", 1)[0]
    assert ask("GET", "/guarded", Authorization=f"Bearer {unsigned}.")[0] == 401


@pytest.mark.parametrize("changes", [{"scope": "other"}, {"drop": ["scope"]}], ids=str)
def test_a_token_without_the_scope_may_not(ask, issuer, changes):
    assert ask("GET", "/guarded", Authorization=f"Bearer {token(issuer, **changes)}")[0] == 403


def test_a_page_of_the_named_site_may_ask(ask):
    status, headers = ask("OPTIONS", "/open", Origin="https://app.example.com", Access_Control_Request_Method="GET")
    assert status == 204
    assert headers["access-control-allow-origin"] == "https://app.example.com"
    assert headers["access-control-allow-methods"] == "GET,POST"
    assert headers["access-control-max-age"] == "77"
    answered = ask("GET", "/open", Origin="https://app.example.com")[1]
    assert answered["access-control-allow-origin"] == "https://app.example.com"


def test_a_page_of_another_site_is_told_nothing(ask):
    for method in ("OPTIONS", "GET"):
        _, headers = ask(method, "/open", Origin="https://evil.example.com", Access_Control_Request_Method="GET")
        assert not [name for name in headers if name.startswith("access-control-")]


def test_an_issuer_is_believed_by_its_certificate_alone(issuer):
    port = int(issuer.rsplit(":", 1)[1])
    connection = http.client.HTTPSConnection("localhost", port, timeout=5, context=ssl.create_default_context())
    with pytest.raises(ssl.SSLCertVerificationError):
        connection.request("GET", "/keys")


@pytest.mark.parametrize(("limit_ms", "status"), [(30, 503), (None, 200), (5_000, 200)])
def test_an_integration_is_given_up_after_its_own_limit(limit_ms, status):
    async def invoke(_integration, said):
        await asyncio.sleep(0.1)
        return said, {}, b""

    answer = http_api_rules._answers_in_time(invoke, {"timeoutInMillis": limit_ms}, 200)
    assert asyncio.run(answer)[0] == status
