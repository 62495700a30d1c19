"""`/docs`: all endpoints on one page, made from the OpenAPI document; no script, nothing from any other host.

FastAPI's own pages load their scripts from a CDN, which a machine beside cameras often cannot reach, and
should not have to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any, Final

POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_METHODS: Final = ("get", "head", "post", "put", "patch", "delete")
_STYLE: Final = """
:root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}
body{max-width:70rem;margin:0 auto;padding:1rem 1.5rem 4rem}
nav a{margin-right:1rem}code,pre{font:13px/1.45 ui-monospace,monospace}
pre{overflow:auto;padding:.6rem;background:#8881;border-radius:6px;max-height:28rem}
details{border:1px solid #8884;border-radius:6px;margin:.4rem 0;padding:.3rem .7rem}
summary{cursor:pointer}summary b{display:inline-block;width:4.2rem;font:600 12px ui-monospace,monospace}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0}
.get{color:#2a7de1}.head{color:#777}.post{color:#1a9c55}
.put{color:#b26b00}.patch{color:#8757d1}.delete{color:#d23b3b}
small{color:#888}
"""


def docs_page(document: Mapping[str, Any]) -> str:
    """Return the page."""
    groups: dict[str, list[str]] = {}
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                tag = (item[method].get("tags") or ["other"])[0]
                groups.setdefault(tag, []).append(_operation(path, method, item[method]))
    schemas = document.get("components", {}).get("schemas", {})
    names = [*groups, "schemas"]
    info = document["info"]
    return "".join(
        [
            "<!doctype html><html lang=en><meta charset=utf-8>",
            '<meta name=viewport content="width=device-width,initial-scale=1">',
            f"<title>{escape(info['title'])} API</title><style>{_STYLE}</style>",
            f"<h1>{escape(info['title'])} API <small>{escape(info['version'])}</small></h1>",
            f"<p>{escape(info.get('description', ''))} ",
            'The same for programs: <a href="/openapi.json">/openapi.json</a>.</p><nav>',
            *(f'<a href="#{escape(name)}">{escape(name)}</a> ' for name in names),
            "</nav>",
            *(f'<h2 id="{escape(tag)}">{escape(tag)}</h2>{"".join(found)}' for tag, found in groups.items()),
            '<h2 id="schemas">schemas</h2>',
            *(_schema(name, schemas[name]) for name in sorted(schemas)),
            "</html>",
        ]
    )


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> str:
    parts = [
        f'<details><summary><b class="{method}">{method.upper()}</b><code>{escape(path)}</code> ',
        f"{escape(operation.get('summary', ''))}</summary>",
    ]
    parameters = operation.get("parameters", [])
    if parameters:
        rows = "".join(
            f"<tr><td><code>{escape(one['name'])}</code><td>{escape(one['in'])}"
            f"{', needed' if one.get('required') else ''}<td>{escape(one.get('description', ''))}"
            for one in parameters
        )
        parts.append(f"<h4>Parameters</h4><table>{rows}</table>")
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        parts.append(f"<h4>Body, <code>{escape(kind)}</code></h4>{_shown(content.get('schema', {}))}")
    rows = "".join(
        f"<tr><td>{escape(str(status))}<td>{escape(answer.get('description', ''))}"
        f"<td>{_types(answer.get('content', {}))}"
        for status, answer in operation.get("responses", {}).items()
    )
    parts.append(f"<h4>Answers</h4><table>{rows}</table></details>")
    return "".join(parts)


def _types(content: Mapping[str, Any]) -> str:
    return "<br>".join(
        f"<code>{escape(kind)}</code> {_link(one.get('schema', {}))}" for kind, one in content.items()
    )


def _link(schema: Mapping[str, Any]) -> str:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return f'<a href="#schema-{escape(name)}">{escape(name)}</a>' if name else ""


def _shown(schema: Mapping[str, Any]) -> str:
    return _link(schema) or f"<pre>{escape(json.dumps(schema, indent=1))}</pre>"


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    text = escape(json.dumps(schema, indent=1, ensure_ascii=False))
    return (
        f'<details id="schema-{escape(name)}"><summary><code>{escape(name)}</code></summary>'
        f"<pre>{text}</pre></details>"
    )
