#!/usr/bin/python3
"""Makes C of the built page: as it is, and gzipped, with its tag and its policy.

The Content-Security-Policy allows this page's script and style by their hashes,
and nothing else; so it is made where the page is.

usage: embed_page.py PAGE.html OUT.c
"""
import base64
import gzip
import hashlib
import pathlib
import re
import sys


def digest(data):
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def hashes(page, element):
    found = re.findall(rf"<{element}[^>]*>(.*?)</{element}>".encode(), page, re.DOTALL)
    return " ".join(f"'sha256-{digest(text)}'" for text in found)


def array(name, data):
    lines = [", ".join(map(str, data[at:at + 24])) for at in range(0, len(data), 24)]
    return f"static const unsigned char {name}[] = {{\n" + ",\n".join(lines) + "};\n"


def main():
    page_path, c_path = map(pathlib.Path, sys.argv[1:])
    page = page_path.read_bytes()
    policy = "; ".join((
        "default-src 'none'", f"script-src {hashes(page, 'script')}",
        f"style-src {hashes(page, 'style')}", "img-src data:", "connect-src 'self'",
        "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"))
    tag = '\\"' + hashlib.sha256(page).hexdigest()[:16] + '\\"'
    c_path.write_text("#include <vital/vital.h>\n\n"
                      '#include "page.h"\n\n'
                      f'const char page_tag[] = "{tag}";\n'
                      f'const char page_etag[] = "ETag: {tag}";\n'
                      f'const char page_policy[] =\n    "Content-Security-Policy: {policy}";\n\n'
                      + array("plain", page)
                      + array("packed", gzip.compress(page, 9, mtime=0))
                      + "\nconst vital_bytes page_plain = {plain, sizeof plain};\n"
                      "const vital_bytes page_packed = {packed, sizeof packed};\n")


main()
