"""Reads pages, separated by NUL, and prints every tag and attribute that a report has no business with."""
import html.parser
import sys

TAGS = set(
    "a b badge body code details div g h1 h2 h3 head html i li main meta ol p rect script section span style summary "
    "svg table td text th title tr".split()
)
ATTRIBUTES = set(
    "aria-label charset class content data-d data-n data-side fill height href http-equiv id lang name rel role viewbox "
    "width x y".split()
)


class Pages(html.parser.HTMLParser):
    scripts = 0

    def handle_starttag(self, tag, attrs):
        if tag not in TAGS:
            print("tag", tag)
        self.scripts += tag == "script"
        for name, value in attrs:
            if name not in ATTRIBUTES:
                print("attribute", name)
            if name == "href" and not value.startswith("https://"):
                print("href", value)

    def handle_comment(self, data):
        print("comment", data[:80])


pages = [page for page in sys.stdin.buffer.read().split(b"\0") if page]
for page in pages:
    parser = Pages()
    parser.feed(page.decode("utf-8"))
    parser.close()
    if parser.scripts != 1:
        print("scripts", parser.scripts)
print(len(pages), "pages")
