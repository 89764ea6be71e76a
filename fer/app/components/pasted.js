/* For the `change` of that `gr.HTML`: the value of a `gr.Image`. */
(file) => ({path: file.path, url: file.url, orig_name: file.name, meta: {_type: "gradio.FileData"}})
