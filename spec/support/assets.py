# Makes src/render/picture_assets.h of picture.js and picture.css: lines of C text, and the content
# security policy with the hashes of both. With --check nothing is written: exit code 1 says that
# the header is not what the files make.

import base64
import hashlib
import os
import sys

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "src", "render")
HEADER = os.path.join(HERE, "picture_assets.h")


def read(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as f:
        text = f.read()
    for bad in ("]]>", "</script", "</style", "<!--"):
        if bad in text:
            sys.exit(f"{name} contains {bad}")
    if name.endswith(".css") and any(c in text for c in "<&"):
        sys.exit(f"{name} contains markup")  # it stands in XML without CDATA
    return text


def literal(line):
    out = []
    for byte in line.encode("utf-8"):
        c = chr(byte)
        if c in '"\\':
            out.append("\\" + c)
        elif c == "\n":
            out.append("\\n")
        elif c == "?":
            out.append("\\?")
        elif 32 <= byte < 127:
            out.append(c)
        else:
            out.append("\\%03o" % byte)
    return '"' + "".join(out) + '"'


def array(name, text):
    lines = "".join("    %s,\n" % literal(line) for line in text.splitlines(True))
    return "static const char *const %s[] = {\n%s    NULL};\n" % (name, lines)


def digest(text):
    return "'sha256-%s'" % base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode()


def main():
    script, style = read("picture.js"), read("picture.css")
    policy = "default-src 'none'; script-src %s; style-src %s; base-uri 'none'; form-action 'none'" % (
        digest(script), digest(style))
    header = (
        "/* Made by spec/support/assets.py (make assets); edit picture.js and picture.css. */\n"
        "#ifndef PYR_RENDER_PICTURE_ASSETS_H\n#define PYR_RENDER_PICTURE_ASSETS_H\n\n"
        "#include <stddef.h>\n\n/* clang-format off */\n"
        + '#define PYR_PICTURE_POLICY "%s"\n\n' % policy
        + array("pyr_picture_css", style) + "\n" + array("pyr_picture_js", script)
        + "/* clang-format on */\n\n#endif\n")
    if "--check" in sys.argv:
        with open(HEADER, encoding="utf-8") as f:
            sys.exit(0 if f.read() == header else 1)
    with open(HEADER, "w", encoding="utf-8") as f:
        f.write(header)


main()
