"""Proxies: some that people put before a server, and one that clients go through by
CONNECT. Each has a configuration that is as short as it can be.

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


LOCAL = "127.0.0.1"


class HeldPort:
    def __init__(self, host=LOCAL, number=0):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((host, number))
        self.host, self.number = self.socket.getsockname()

    def await_listener(self, child):
        deadline = time.monotonic() + PATIENCE_S
        while child.process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection((self.host, self.number), PATIENCE_S).close()
                return
            except ConnectionRefusedError:
                time.sleep(LISTENING_AFTER_S)
        raise Failure(f"{child.name} does not listen")

    def close(self):
        self.socket.close()


@dataclasses.dataclass(frozen=True)
class Task:
    """What a proxy is to do."""
    directory: pathlib.Path  # of its own
    port: int
    upstream: str = ""  # HOST:PORT; where a client says whither it wants, there is none
    idle_s: int = 60
    authority: typing.Any = None  # with one, it speaks TLS to the outside
    extra: str = ""  # lines of configuration
    host: str = LOCAL


def configure_nginx(task):
    secure, certificate = "", ""
    if task.authority:
        secure = " ssl"
        certificate = (f"ssl_certificate {task.authority.cert};"
                       f" ssl_certificate_key {task.authority.key};")
    temporary = "\n".join(f"    {name}_temp_path {task.directory}/{name};" for name in
                          ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return f"""
daemon off;
master_process off;
pid {task.directory}/pid;
error_log stderr crit;
events {{}}
http {{
    access_log off;
{temporary}
    server {{
        listen {task.host}:{task.port}{secure};
        {certificate}
        location / {{
            proxy_pass http://{task.upstream};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
            proxy_set_header Host $http_host;
            proxy_read_timeout {task.idle_s}s;
            proxy_send_timeout {task.idle_s}s;
        }}
    }}
}}
"""


def configure_haproxy(task):
    secure = f" ssl crt {task.authority.both}" if task.authority else ""
    return f"""
defaults
    mode http
    timeout connect 5s
    timeout client 10s
    timeout server 10s
    timeout tunnel {task.idle_s}s
    http-error status 503 content-type text/plain string "away" hdr Retry-After 1
listen front
    bind {task.host}:{task.port}{secure}
    server vital {task.upstream}
"""


def configure_tinyproxy(task):
    return f"""
Listen {task.host}
Port {task.port}
Timeout {task.idle_s}
MaxClients 100
LogLevel Critical
{task.extra}
"""


def configure_tls(task):
    """HAProxy, for no more than that."""
    return f"""
defaults
    mode tcp
    timeout connect 5s
    timeout client {task.idle_s}s
    timeout server {task.idle_s}s
listen front
    bind {task.host}:{task.port} ssl crt {task.authority.both}
    server upstream {task.upstream}
"""


@dataclasses.dataclass(frozen=True)
class Proxy:
    name: str
    program: str
    arguments: tuple  # {configuration} is the file
    configure: typing.Callable
    without_server: int = 0  # the status that it answers with

    @property
    def missing(self):
        return [] if shutil.which(self.program) else [self.program]

    def command(self, task):
        file = task.directory / "configuration"
        file.write_text(self.configure(task))
        return (self.program, *(word.format(configuration=file) for word in self.arguments))


BEFORE_A_SERVER = (
    Proxy("nginx", "/usr/sbin/nginx", ("-e", "stderr", "-c", "{configuration}"), configure_nginx,
          without_server=502),
    Proxy("HAProxy", "/usr/sbin/haproxy", ("-db", "-q", "-f", "{configuration}"),
          configure_haproxy, without_server=503),
)

BETWEEN = Proxy("tinyproxy", "/usr/bin/tinyproxy", ("-d", "-c", "{configuration}"),
                configure_tinyproxy, without_server=500)

TLS = Proxy("HAProxy", "/usr/sbin/haproxy", ("-db", "-q", "-f", "{configuration}"), configure_tls)
