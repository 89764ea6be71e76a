"""Theme of the pages: greys only, so that every colour on a page stands for an emotion.

Texts have a contrast of at least 4.5 to 1 in light and dark mode (WCAG 2.2, 1.4.3; tests/browser/test_theme.py measures
it). The fonts are Gradio's own files, so that the page loads nothing from other servers.
"""

from pathlib import Path

import gradio as gr
from gradio.themes.utils.fonts import Font, LocalFont

from fer.labels import EMOTION_COLORS

THEME = gr.themes.Base(
    primary_hue="zinc",
    secondary_hue="zinc",
    neutral_hue="zinc",
    radius_size="md",
    # Gradio's files of other fonts, and of other weights of these fonts, lack most letters.
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
"""Theme for `launch`."""
_EMOTION_STRIPES = ", ".join(
    f"{color} {100 * index / len(EMOTION_COLORS):.2f}% {100 * (index + 1) / len(EMOTION_COLORS):.2f}%"
    for index, color in enumerate(EMOTION_COLORS.values())
)
"""Colour stops of a CSS gradient in which each emotion's colour is a stripe."""
CSS = f":root {{ --emotion-stripes: {_EMOTION_STRIPES}; }}\n" + Path(__file__).with_name("style.css").read_text("utf-8")
"""Style sheet for `launch`: `style.css`, with the emotions' colours as the variable that it uses."""
