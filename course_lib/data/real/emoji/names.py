"""Chinese names of the groups, and of the things whose name in CLDR 48 is wrong, unclear or no Chinese.

Read by build.py alone. A name says what the picture shows, so that a reader could draw it.
"""

import re

GROUPS = {
    "smileys-emotion": "表情与情感",
    "people-body": "人物与身体",
    "animals-nature": "动物与植物",
    "food-drink": "食物与饮料",
    "travel-places": "出行与地点",
    "activities": "活动与节庆",
    "objects": "物品",
    "symbols": "符号",
}

# codepoints: (the name, what was wrong with the one in CLDR)
CORRECTIONS = {
    # names something else
    "1f999": ("美洲驼", "美洲鸵 is a bird, the rhea"),
    "1f995": ("蜥脚类恐龙", "蜥蜴类: lizards"),
    "1f43f": ("花栗鼠", "松鼠: a squirrel; the drawings have the chipmunk's stripes"),
    "1f33a": ("朱槿", "芙蓉: another hibiscus, or the lotus"),
    "1f356": ("带骨肉", "排骨: spare ribs"),
    "1f959": ("夹馅面饼", "夹心饼: a sandwich biscuit"),
    "1f95e": ("美式松饼", "烙饼: a Chinese griddle cake"),
    "1f36e": ("焦糖布丁", "奶黄: the filling of a bun"),
    "1f9ba": ("反光背心", "救生衣: a life jacket"),
    "1faae": ("宽齿发梳", "发夹: a hairpin"),
    "1faa0": ("马桶疏通器", "活塞: a piston"),
    "26fd": ("加油机", "油泵: a part of an engine"),
    "1f6e5": ("汽艇", "摩托艇: a jet ski"),
    "1f4d1": ("带索引贴的文件", "标签页: a tab of a browser"),
    "1f9de": ("灯神", "妖怪: a monster"),
    "1f47a": ("天狗", "小妖精: a vixen; the drawings show the long-nosed tengu"),
    "1f624": ("鼻孔冒气", "傲慢: haughty, which is not drawn"),
    "1f4a8": ("疾驰的尘烟", "尾气: exhaust gas"),
    "1f3c2": ("单板滑雪的人", "滑雪板: the board without its rider"),
    "1f497": ("变大的心", "搏动的心: that is the beating heart"),
    "21a9": ("向左弯的箭头", "右转弯箭头: the head points to the left"),
    "21aa": ("向右弯的箭头", "左转弯箭头: the head points to the right"),
    # written with a wrong character
    "1f9d0": ("戴单片眼镜的脸", "带 for 戴"),
    "1f9d5": ("戴头巾的女人", "带头饰: 带 for 戴, and a scarf is no ornament"),
    "1f49f": ("心形装饰", "心型 for 心形"),
    "1f6fb": ("皮卡", "敞蓬 for 敞篷, and nobody says 敞篷小型载货卡车"),
    # says a feeling, a place or an occasion where the picture shows a thing
    "1f970": ("爱心环绕的笑脸", "喜笑颜开 leaves out the hearts"),
    "1f637": ("戴口罩的脸", "感冒: a cold; the mask is drawn"),
    "1f975": ("热得通红的脸", "脸发烧: a fever, which is another one"),
    "1f976": ("冻得发青的脸", "冷脸: a cold look"),
    "1f626": ("皱眉张嘴", "啊 is an interjection"),
    "1f4a4": ("鼾声符号", "睡着, while 睡着了 is the sleeping face"),
    "1f481": ("抬手示意的人", "前台: a reception desk"),
    "1f44c": ("OK手势", "OK says no hand"),
    "1f646": ("做OK姿势的人", "OK手势 is the hand's"),
    "1f645": ("做禁止姿势的人", "禁止手势 says no person"),
    "1f919": ("打电话手势", "给我打电话 is a request"),
    "1f574": ("悬空的西装人", "西装革履的人 leaves out that he floats"),
    "1f9d6": ("蒸桑拿的人", "蒸房里的人 is not said"),
    "1f5e3": ("说话的头像", "说话 is a verb"),
    "1fac2": ("拥抱的人", "人的拥抱 is not said"),
    "1f476": ("婴儿", "小宝贝 is a pet name"),
    "1f6bc": ("婴儿标识", "宝宝 is a pet name, and no sign"),
    "1f9da": ("仙子", "精灵, while 小精灵 is the elf"),
    "2764-200d-1f525": ("燃烧的心", "火上之心 is not said"),
    "2764-200d-1fa79": ("缠绷带的心", "修复受伤的心灵 says what it means, not what it shows"),
    "1f498": ("中箭的心", "心中箭了 is a sentence"),
    "1f33c": ("花朵", "开花 is a verb"),
    "1f492": ("婚礼教堂", "婚礼: the occasion; a building is drawn"),
    "26c5": ("晴间多云", "阴: overcast; the sun is drawn"),
    "26a1": ("高压电", "高压: any pressure"),
    # translated word for word
    "1f9ac": ("野牛", "大野牛"),
    "1f357": ("鸡腿", "家禽的腿"),
    "1f96f": ("贝果", "面包圈 is a doughnut as well"),
    "1f683": ("铁路车厢", "轨道车"),
    "1f69d": ("单轨列车", "单轨: the rail alone"),
    "1f387": ("手持烟花", "烟花, while 焰火 is the fireworks: the same word"),
    "1f38e": ("女儿节人偶", "日本人形: Japanese in Chinese characters"),
    "1f3b9": ("琴键", "音乐键盘"),
    "1f39e": ("电影胶片", "影片帧"),
    "26b1": ("骨灰坛", "骨灰缸"),
    "1f5ff": ("摩艾石像", "摩埃"),
    "2b1b": ("黑色大方块", "黑线大方框, while the smaller ones are 方块"),
    "2b1c": ("白色大方块", "白线大方框, while the smaller ones are 方块"),
}


def mended(codepoints: str, name: str) -> str:
    """The Chinese name as the course says it: corrected, a Chinese colon, no space beside a Chinese character."""
    name, _ = CORRECTIONS.get(codepoints, (name, ""))
    return re.sub(r"(?<=[\u4e00-\u9fff]) | (?=[\u4e00-\u9fff])", "", name.replace(": ", "："))
