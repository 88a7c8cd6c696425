"""Reverse proxies, as people put them in front of a server: by their own means,
with a configuration that is as short as it can be.

None of them can be asked for any free port. So the kernel picks one for a socket of
ours, which is bound and never listens: as long as it is open nobody else is given
that port, and SO_REUSEADDR lets the proxy listen there.
"""
import dataclasses
import pathlib
import shutil
import socket
import time
import typing

from children import PATIENCE_S, Failure

LISTENING_AFTER_S = 0.02  # between two looks


class HeldPort:
    def __init__(self):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", 0))
        self.number = self.socket.getsockname()[1]

    def await_listener(self, child):
        deadline = time.monotonic() + PATIENCE_S
        while child.process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.number), PATIENCE_S).close()
                return
            except ConnectionRefusedError:
                time.sleep(LISTENING_AFTER_S)
        raise Failure(f"{child.name} does not listen")

    def release(self):
        self.socket.close()


@dataclasses.dataclass(frozen=True)
class Front:
    """What a proxy is to do. With an authority it speaks TLS to the outside."""
    directory: pathlib.Path  # of its own
    port: int
    upstream: str  # HOST:PORT
    idle_s: int
    authority: typing.Any = None


def configure_nginx(front):
    secure, certificate = "", ""
    if front.authority:
        secure = " ssl"
        certificate = (f"ssl_certificate {front.authority.cert};"
                       f" ssl_certificate_key {front.authority.key};")
    temporary = "\n".join(f"    {name}_temp_path {front.directory}/{name};" for name in
                          ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return f"""
daemon off;
master_process off;
pid {front.directory}/pid;
error_log stderr crit;
events {{}}
http {{
    access_log off;
{temporary}
    server {{
        listen 127.0.0.1:{front.port}{secure};
        {certificate}
        location / {{
            proxy_pass http://{front.upstream};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
            proxy_set_header Host $http_host;
            proxy_read_timeout {front.idle_s}s;
            proxy_send_timeout {front.idle_s}s;
        }}
    }}
}}
"""


def configure_haproxy(front):
    secure = f" ssl crt {front.authority.both}" if front.authority else ""
    return f"""
defaults
    mode http
    timeout connect 5s
    timeout client 10s
    timeout server 10s
    timeout tunnel {front.idle_s}s
    http-error status 503 content-type text/plain string "away" hdr Retry-After 1
listen front
    bind 127.0.0.1:{front.port}{secure}
    server vital {front.upstream}
"""


@dataclasses.dataclass(frozen=True)
class Proxy:
    name: str
    program: str
    arguments: tuple  # {configuration} is the file
    configure: typing.Callable
    without_server: int  # the status that it answers with

    @property
    def missing(self):
        return [] if shutil.which(self.program) else [self.program]

    def command(self, front):
        file = front.directory / "configuration"
        file.write_text(self.configure(front))
        return (self.program, *(word.format(configuration=file) for word in self.arguments))


PROXIES = (
    Proxy("nginx", "/usr/sbin/nginx", ("-e", "stderr", "-c", "{configuration}"), configure_nginx,
          without_server=502),
    Proxy("HAProxy", "/usr/sbin/haproxy", ("-db", "-q", "-f", "{configuration}"),
          configure_haproxy, without_server=503),
)
