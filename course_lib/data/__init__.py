"""The data world: coloured shapes, their captions, questions, boxes, videos and rewards, all from one symbolic scene.

Read in this order: dice (chance), scenes (what there is), render (pixels), captions, questions, boxes, text_image,
video, noise, preferences, rewards; then real (photographs, digits) and corpora (text). Chapter 00 shows all of it.
"""
