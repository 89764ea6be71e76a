"""Page about the app: which model answers, how often it is right, its limits, and how programs call it."""

from html import escape
from typing import TYPE_CHECKING

import gradio as gr

from fer.app.components.metrics_view import format_percent, show_metrics
from fer.app.components.training_data import say_training_data
from fer.app.javascript import read_script
from fer.app.server.services import ServedModel, Services, wait_for_model
from fer.app.texts import I18N, say

if TYPE_CHECKING:
    from fer.models.config import ModelConfig

HERE = "http://127.0.0.1:7860/"
"""Address in the snippets, which the browser replaces by the page's own address."""
PYTHON = f"""# pip install gradio_client
from gradio_client import Client, handle_file

client = Client("{HERE}")
answer = client.predict(handle_file("photo.jpg"), api_name="/analyze")
for face in answer["faces"]:
    print(face["box"], face["label"], face["probabilities"][face["label"]])
"""
JAVASCRIPT = f"""// npm install @gradio/client
import {{ openAsBlob }} from "node:fs"; // a browser has the file of an <input type="file"> instead
import {{ Client }} from "@gradio/client";

const client = await Client.connect("{HERE}");
const answer = await client.predict("/analyze", {{ photo: await openAsBlob("photo.jpg") }});
for (const face of answer.data[0].faces) console.log(face.box, face.label, face.probabilities[face.label]);
process.exit(); // the client would keep the connection open
"""
CURL = f"""# Send the photo, ask for an answer, wait for it.
FILE=$(curl -s -F files=@photo.jpg {HERE}gradio_api/upload | tr -d '[]"')
EVENT=$(curl -s -H 'Content-Type: application/json' {HERE}gradio_api/call/v2/analyze \\
  -d '{{"photo": {{"path": "'"$FILE"'", "meta": {{"_type": "gradio.FileData"}}}}}}' | cut -d '"' -f 4)
curl -sN {HERE}gradio_api/call/analyze/$EVENT
"""
MCP = f"""{{
  "mcpServers": {{
    "facial-expressions": {{
      "url": "{HERE}gradio_api/mcp/"
    }}
  }}
}}
"""
SNIPPETS = {
    "Python": ("python", PYTHON),
    "JavaScript": ("javascript", JAVASCRIPT),
    "curl": ("shell", CURL),
    "MCP": ("json", MCP),
}
"""Snippets by the title of their tab: Gradio's name of the language, and the code."""
SHOW_ADDRESS = read_script("pages/show_address.js").replace("HERE", HERE)
"""JavaScript that puts the page's own address into the snippets."""


def build_about_page(services: Services, language: gr.Textbox, demo: gr.Blocks) -> None:
    """Add the page's components and events; call this within `gr.Blocks`.

    Args:
        services: what the pages and endpoints share.
        language: component of `fer.app.texts.language_of_the_page`.
        demo: app, whose tools of the Model Context Protocol the page lists after the launch.
    """

    async def about(language):
        served = await wait_for_model(services.served_model)
        return describe(language, served, services.on_device), say_limits(language, served.config)

    def name_tools(language):
        if demo.mcp_server_obj is None:  # The app was launched without MCP.
            return ""
        names = ", ".join(f"`{name}`" for name in demo.mcp_server_obj.tool_to_endpoint)
        return say(language, "about.mcp", tools=names)

    model = gr.HTML(I18N("app.loading"), elem_id="about")
    limits = gr.Markdown(I18N("about.limits"), elem_id="about-limits")
    gr.Markdown(I18N("about.call"), elem_id="about-call")
    codes = []
    for name, (kind, code) in SNIPPETS.items():
        with gr.Tab(name):
            if name == "MCP":
                tools = gr.Markdown(elem_id="about-tools")
            codes.append(
                gr.Code(
                    code, kind, show_label=False, interactive=False, buttons=["copy"], elem_id=f"call-{name}",
                    elem_classes="snippet",
                )
            )  # fmt: skip

    demo.load(None, codes, codes, js=SHOW_ADDRESS, api_visibility="private")
    # Not queued, so that the page is complete even while the queue is full.
    quiet = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
    language.change(about, language, [model, limits], **quiet)
    language.change(name_tools, language, tools, **quiet)


def describe(language: str, served: ServedModel, on_device: bool = False) -> str:
    """Return the HTML about the model that answers, with the metrics that its folder contains.

    Args:
        language: code of the page's language.
        served: the model.
        on_device: whether browsers may load the model.
    """
    recognizer, source, reason = served.recognizer, served.source, served.reason
    fallback = f"<p>{say(language, 'app.fallback', reason=escape(reason))}</p>" if reason else ""
    facts = {"model": _link(source), "count": len(recognizer.labels), "side": recognizer.image_size}
    threshold = recognizer.calibration.threshold
    confident = say(
        language,
        "about.threshold" if threshold else "about.no_threshold",
        threshold=format_percent(threshold),
    )
    device = say(language, "about.no_device")
    if on_device:
        network = served.settings["networks"]["expressions"]
        size = f"{network['bytes'] / 1e6:.1f}".replace(".", say(language, "about.decimal"))
        device = say(language, "about.device", megabytes=size, sha256=network["sha256"], **facts)
    figures = f"<p>{say(language, 'about.no_figures')}</p>"
    if served.metrics is not None and served.config:
        # The recognizer does not know the temperature, which is contained in the LiteRT file.
        figures = show_metrics(language, served.metrics, served.config)
    return (
        f'<div class="about"><h3>{say(language, "about.model")}</h3>{fallback}'
        f"<p>{say(language, 'about.serving', **facts)}</p><p>{confident}</p>"
        f"<p>{device}</p>"
        f"<h3>{say(language, 'about.figures')}</h3>{figures}</div>"
    )


def say_limits(language: str, config: "ModelConfig | None") -> str:
    """Return the Markdown of the limits, including those of the data that the model was trained on."""
    return f"{say(language, 'about.limits')}\n{say_training_data(language, 'about.limits', config)}".strip()


def _link(source):
    """Return the HTML of a model's name; for a model of the Hub, with its commit and as a link."""
    from huggingface_hub import constants

    if source.revision is None:
        return f"<code>{escape(source.public_name)}</code>"
    name, revision = escape(source.name), escape(source.revision)
    address = f"{constants.ENDPOINT}/{name}/tree/{revision}"
    return f'<a href="{address}" target="_blank"><code>{name}@{revision}</code></a>'
