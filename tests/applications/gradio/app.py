"""A Gradio application: it takes a file, streams its answer, and counts in the state of the session."""

import gradio as gr


def answer(file, count):
    with open(file) as lines:
        for number, _ in enumerate(lines, 1):
            yield f"file {count + 1} has {number} lines", count + 1


gr.Interface(answer, [gr.File(), gr.State(0)], [gr.Markdown(), gr.State()]).launch()
