"""Released checkpoints: one short key map a family, read strictly, safetensors only.

model = load_gpt2("folder")            a folder with config.json and model.safetensors
model = load_gpt2(fetch("openai-community/gpt2"))     from a hub, with the extra: pip install 'course-lib[hub]'
"""

from course_lib.hub.blip import load_blip_captioner, load_blip_retriever
from course_lib.hub.blip2 import load_blip2_describer, load_blip2_retriever
from course_lib.hub.clip import load_clip
from course_lib.hub.core import From, fetch, part
from course_lib.hub.gpt1 import load_gpt1
from course_lib.hub.gpt2 import load_gpt2
from course_lib.hub.llama import load_llama
from course_lib.hub.llava import load_llava, load_llava_next
from course_lib.hub.opt import load_opt
from course_lib.hub.qwen2_vl import load_qwen2_5_vl, load_qwen2_vl
from course_lib.hub.siglip import load_siglip
from course_lib.hub.vit import load_vit

__all__ = [
    "From",
    "fetch",
    "load_blip2_describer",
    "load_blip2_retriever",
    "load_blip_captioner",
    "load_blip_retriever",
    "load_clip",
    "load_gpt1",
    "load_gpt2",
    "load_llama",
    "load_llava",
    "load_llava_next",
    "load_opt",
    "load_qwen2_5_vl",
    "load_qwen2_vl",
    "load_siglip",
    "load_vit",
    "part",
]
