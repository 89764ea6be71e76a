"""How the pages look: ink on paper, so that the emotions' colours are the only ones and mean something.

Texts keep a contrast of 4.5 to 1 in light and dark (WCAG 2.2, 1.4.3; tests/browser/test_look.py measures it). The fonts
are Gradio's own files: the page asks nobody but this server.
"""

import gradio as gr
from gradio.themes.utils.fonts import Font, LocalFont

from fer.labels import EMOTION_COLORS

THEME = gr.themes.Base(
    primary_hue="zinc",
    secondary_hue="zinc",
    neutral_hue="zinc",
    radius_size="md",
    # Gradio's files of other fonts, and of these in other weights, lack most letters.
    font=[LocalFont("IBM Plex Sans", weights=(400, 700)), Font("sans-serif")],
    font_mono=[LocalFont("IBM Plex Mono", weights=(400, 700)), Font("monospace")],
).set(
    body_background_fill="*neutral_50",
    body_background_fill_dark="*neutral_950",
    body_text_color="*neutral_900",
    body_text_color_dark="*neutral_100",
    body_text_color_subdued="*neutral_600",
    body_text_color_subdued_dark="*neutral_400",
    background_fill_primary="white",
    background_fill_primary_dark="*neutral_900",
    background_fill_secondary="*neutral_100",
    background_fill_secondary_dark="*neutral_800",
    border_color_primary="*neutral_200",
    border_color_primary_dark="*neutral_700",
    border_color_accent="*neutral_900",
    border_color_accent_dark="*neutral_100",
    color_accent="*body_text_color",
    color_accent_soft="*neutral_100",
    color_accent_soft_dark="*neutral_800",
    link_text_color="*neutral_900",
    link_text_color_dark="*neutral_100",
    block_background_fill="white",
    block_background_fill_dark="*neutral_900",
    block_border_width="1px",
    block_shadow="none",
    block_label_background_fill="white",
    block_label_background_fill_dark="*neutral_900",
    block_label_text_color="*neutral_700",
    block_label_text_color_dark="*neutral_300",
    block_label_text_weight="600",
    block_title_text_color="*neutral_700",
    block_title_text_color_dark="*neutral_300",
    block_title_text_weight="600",
    block_title_text_size="*text_sm",
    block_info_text_color="*neutral_600",
    block_info_text_color_dark="*neutral_400",
    input_background_fill="white",
    input_background_fill_dark="*neutral_800",
    input_placeholder_color="*neutral_600",
    input_placeholder_color_dark="*neutral_400",
    checkbox_border_color="*neutral_500",
    checkbox_border_color_dark="*neutral_500",
    checkbox_background_color_selected="*neutral_900",
    checkbox_background_color_selected_dark="*neutral_600",
    checkbox_border_color_selected="*neutral_900",
    checkbox_border_color_selected_dark="*neutral_300",
    checkbox_label_background_fill_selected="*neutral_900",
    checkbox_label_background_fill_selected_dark="*neutral_100",
    checkbox_label_text_color_selected="white",
    checkbox_label_text_color_selected_dark="*neutral_900",
    slider_color="*neutral_700",
    slider_color_dark="*neutral_300",
    loader_color="*neutral_700",
    loader_color_dark="*neutral_300",
    button_primary_background_fill="*neutral_900",
    button_primary_background_fill_hover="*neutral_700",
    button_primary_background_fill_dark="*neutral_100",
    button_primary_background_fill_hover_dark="*neutral_300",
    button_primary_text_color="white",
    button_primary_text_color_dark="*neutral_900",
    button_secondary_background_fill="white",
    button_secondary_background_fill_hover="*neutral_100",
    button_secondary_background_fill_dark="*neutral_800",
    button_secondary_background_fill_hover_dark="*neutral_700",
    button_border_width="1px",
    button_secondary_border_color="*neutral_300",
    button_secondary_border_color_dark="*neutral_600",
    button_secondary_text_color="*neutral_900",
    button_secondary_text_color_dark="*neutral_100",
)
"""For `launch`."""
_STRIPES = ", ".join(
    f"{color} {100 * index / len(EMOTION_COLORS):.2f}% {100 * (index + 1) / len(EMOTION_COLORS):.2f}%"
    for index, color in enumerate(EMOTION_COLORS.values())
)
CSS = """
body { background: var(--body-background-fill) !important; }
:focus-visible, label:has(input:focus-visible) {
  outline: 2px solid var(--body-text-color) !important; outline-offset: 2px !important; }

#introduction h1 { font-size: 26px; margin: 0; }
#introduction h1::after { content: ""; display: block; width: 112px; height: 4px; margin: 6px 0 8px;
  border-radius: 2px; background: linear-gradient(90deg, STRIPES); }
#introduction p { max-width: 110ch; }
#limits, #model { color: var(--body-text-color-subdued); font-size: var(--text-sm); }
#limits p { max-width: 110ch; }

/* While the page is built, what is below waits below. */
.tabs { min-height: 90vh; }
#message { min-height: 71px; }
#many-message { min-height: 48px; }
#face { height: 96px; }
#face .wrap { flex-wrap: nowrap; overflow-x: auto; scrollbar-width: thin; padding: 4px; margin: -4px; }
#face label { flex: none; }
#annotated button img { cursor: pointer; }
#files { height: 226px !important; }
input[type=range]::-webkit-slider-thumb { background: var(--slider-color) !important; }
input[type=range]::-moz-range-thumb { background: var(--slider-color) !important; }
#smallest .head { gap: 12px; }
#gallery .grid-wrap { padding-top: 36px; }
#table, #many-table { background: var(--block-background-fill); padding: 8px 12px;
  border: 1px solid var(--border-color-primary); border-radius: var(--block-radius); }
#table *, #many-table * { font-family: var(--font); }
#table th *, #many-table th * { white-space: nowrap; word-break: keep-all; overflow-wrap: normal; }
#table { height: 252px; }
#many-table { height: 452px; }
@media (max-width: 640px) {
  #introduction h1 { font-size: 22px; }
  /* The photo, what was found, the face, and then the options. */
  #photo-row { flex-direction: column; }
  #photo-row > .column { display: contents; }
  #photo-row > .column > * { order: 2; width: 100%; }
  #photo-row #photo { order: 0; }
  #photo-row #message { order: 1; }
  #photo-row > .column:first-child > :not(#photo) { order: 3; }
  #annotated { height: 390px !important; }
  #gallery { height: 420px !important; }
  #gallery .grid-container { grid-template-columns: 1fr 1fr !important; }
}

.face-view { color: var(--body-text-color); }
.face-view .answer { font-size: 20px; line-height: 28px; min-height: 28px; font-weight: 600; margin: 0 0 12px; }
.face-view .swatch { display: inline-block; width: 14px; height: 14px; border-radius: 4px; margin-right: 8px; }
.face-view .pictures { display: flex; gap: 16px; margin-bottom: 16px; }
.face-view figure { margin: 0; flex: 1; min-width: 0; max-width: 180px; }
.face-view .picture { width: 100%; aspect-ratio: 1; border-radius: 6px; display: block;
  background: var(--background-fill-secondary); }
.face-view figcaption { font-size: 14px; line-height: 18px; min-height: 36px; margin-top: 6px;
  color: var(--body-text-color-subdued); }
#counts .title { font-size: var(--text-sm); font-weight: 600; margin: 0 0 8px; color: var(--block-title-text-color); }
.bars { display: grid; grid-template-columns: auto 1fr 3em; gap: 4px 10px; align-items: center;
  align-content: start; min-height: 178px; font-size: 15px; line-height: 22px; color: var(--body-text-color); }
.bars .track { height: 12px; border-radius: 4px; background: var(--background-fill-secondary); overflow: hidden; }
.bars .fill { height: 100%; border-radius: 4px; }
.bars .number { text-align: right; font-variant-numeric: tabular-nums; }
.bars .top { font-weight: 600; }

#live-stage { position: relative; min-height: min(420px, 72vw); gap: 0; }
#live-boxes { position: absolute; inset: 0; pointer-events: none; z-index: 1; }
#live-boxes .html-container, #live-boxes .prose, #live-boxes svg { display: block; width: 100%; height: 100%; }
#live-boxes .html-container, #live-panel .html-container { padding: 0; }
#live-message { min-height: 52px; }
.live-panel { max-width: 440px; color: var(--body-text-color); }
.live-panel p { margin: 0; line-height: 24px; min-height: 24px; font-variant-numeric: tabular-nums; }
.live-panel .title { font-weight: 600; font-size: 18px; }
.live-panel svg { display: block; width: 100%; }
.live-panel text { fill: var(--body-text-color); font-variant-numeric: tabular-nums; }
.live-panel .grid { stroke: var(--border-color-primary); }

#about .html-container { padding: 0; }
.about { color: var(--body-text-color); }
.about h3 { margin: 20px 0 6px; }
.about p { margin: 6px 0; max-width: 75ch; overflow-wrap: anywhere; }
/* Gradio's colours of code are too pale on white. */
.snippet .cm-line, .snippet .cm-line * { color: var(--body-text-color) !important; }
.figures .pictures { display: flex; flex-wrap: wrap; gap: 12px 40px; margin-top: 16px; }
.figures figure { margin: 0; flex: 0 1 360px; min-width: 0; }
.figures figcaption { font-size: 14px; margin-top: 8px; }
.figures table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 14px; }
.figures th, .figures td { padding: 6px 7px; text-align: right; border: 1px solid var(--border-color-primary); }
.figures th { font-weight: 600; }
.figures th[scope=row] { text-align: left; white-space: nowrap; }
.figures th[scope=col] { writing-mode: vertical-rl; transform: rotate(180deg); min-height: 92px; text-align: left; }
.figures .confusion td { width: 36px; text-align: center; }
.figures .confusion td, .figures .confusion th[scope=col] { padding: 6px 2px; }
.figures .chip { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 6px; }
.figures svg { width: 100%; height: auto; display: block; }
.figures svg text { fill: currentColor; font-size: 12px; }

/* Gradio's picture takes all of the height, and hides the buttons below it. */
#clip .video-container { display: flex; flex-direction: column; }
#clip .video-container > .wrap { flex: 1; min-height: 0; }
#video-message { min-height: 48px; }
#video-message .generating { border: none; }
/* Gradio's page takes a cancelled run for an error. */
#video-message .wrap:has(> .error) { display: none; }
#video-bar { padding: 0; margin: -6px 0; }
#video-bar progress { appearance: none; border: none; display: block; width: 100%; height: 6px; border-radius: 3px;
  overflow: hidden; background: var(--border-color-primary); }
#video-bar progress::-webkit-progress-bar { background: var(--border-color-primary); }
#video-bar progress::-webkit-progress-value { background: var(--body-text-color); }
#video-bar progress::-moz-progress-bar { background: var(--body-text-color); }
#video-bar progress:not([value]) { visibility: hidden; }
.timeline { color: var(--body-text-color); }
.timeline figure { margin: 0 0 24px; }
.timeline figcaption { font-size: 15px; line-height: 22px; min-height: 44px; margin-bottom: 6px; }
.timeline .lanes { display: grid; grid-template-columns: 6.5em 1fr; gap: 3px 8px; font-size: 14px; }
.timeline .name { line-height: 20px; height: 20px; overflow: hidden; text-overflow: ellipsis; }
.timeline svg { display: block; width: 100%; height: 20px; border-radius: 3px;
  background: var(--background-fill-secondary); }
.timeline .axis { grid-column: 2; position: relative; height: 18px; font-size: 12px; line-height: 18px;
  font-variant-numeric: tabular-nums; }
.timeline .axis span { position: absolute; transform: translateX(-50%); white-space: nowrap; }
.timeline .axis span:first-child { transform: none; }
""".replace("STRIPES", _STRIPES)
"""For `launch`: the pages' own shapes, with room kept for answers that are still to come."""
