"""The self-test of chapter 00: what this machine has, and how long the course will take on it.

Speeds are measured, never assumed: a CPU without bf16 instructions multiplies bf16 matrices many times slower.
"""

import importlib.metadata
import os
import platform
import statistics
import time
from dataclasses import dataclass
from html import escape

import torch

from course_lib.course.outline import Chapter, opened
from course_lib.foundations.checks import check_count
from course_lib.widgets.style import FONT, missing_glyphs, use_style

SIZE = 512
REFERENCE_GFLOPS = 34.0  # fp32, one thread, of the machine that measured `running` in notebooks/course.yml
PACKAGES = ("torch", "numpy", "matplotlib", "jupyterlab", "anywidget", "ipywidgets", "jupytext")


@dataclass(frozen=True)
class Device:
    """What was found: names, versions by package, threads, whether Chinese shows, GFLOP/s of a 512³ product."""

    cpu: str
    gpu: str | None
    python: str
    versions: dict[str, str]
    threads: int
    cores: int
    chinese_font: bool
    fp32_gflops: float
    bf16_gflops: float

    def minutes(self, chapter: Chapter) -> float:
        """Minutes a chapter's cells take here, scaled from the reference machine by the measured fp32 speed."""
        return chapter.running / 60 * REFERENCE_GFLOPS / self.fp32_gflops

    def __repr__(self) -> str:
        return "\n".join(f"{name}：{value}" for name, value in self._rows())

    def _repr_html_(self) -> str:
        cell = "text-align:left;padding:.15em 1em .15em 0"
        rows = "".join(
            f'<tr><th scope="row" style="{cell}">{escape(name)}</th><td style="{cell}">{escape(value)}</td></tr>'
            for name, value in self._rows()
        )
        return f'<table class="device-report"><tbody>{rows}</tbody></table>'

    def _rows(self) -> list[tuple[str, str]]:
        faster = self.bf16_gflops > self.fp32_gflops
        times = "，".join(f"{chapter.number} 章 {_minutes(self.minutes(chapter))}" for chapter in opened())
        return [
            ("处理器", f"{self.cpu}，{self.cores} 核，课程用 {self.threads} 个线程"),
            ("显卡", self.gpu or "没有。不需要：全课程按 CPU 设计"),
            ("Python", self.python),
            ("版本", "，".join(f"{name} {version}" for name, version in self.versions.items())),
            (
                "中文字体",
                "✓ 图里的中文能显示" if self.chinese_font else "✗ 图里的中文会变成方框：重装 course-lib",
            ),
            (
                f"{SIZE}³ 矩阵乘",
                f"fp32 {self.fp32_gflops:.0f} GFLOP/s，bf16 {self.bf16_gflops:.0f} GFLOP/s："
                + ("这台机器上 bf16 更快" if faster else "这台机器上用 fp32"),
            ),
            ("运行时间（估计）", times),
        ]


def device_report() -> Device:
    """Measure this machine; takes about half a second. Shows itself as a table."""
    use_style()
    return Device(
        cpu=_cpu_name(),
        gpu=torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        python=f"{platform.python_version()}（{platform.system()}）",
        versions={name: importlib.metadata.version(name) for name in PACKAGES},
        threads=torch.get_num_threads(),
        cores=os.cpu_count() or 1,
        chinese_font=FONT.exists() and not missing_glyphs("多模态大模型发展历程"),
        fp32_gflops=matmul_gflops(torch.float32),
        bf16_gflops=matmul_gflops(torch.bfloat16),
    )


def matmul_gflops(dtype: torch.dtype, size: int = SIZE, repeats: int = 7) -> float:
    """Median speed of a size³ product in 10⁹ operations a second, on the threads that torch has now."""
    check_count("repeats", repeats, 1)
    a, b = (torch.randn(size, size, generator=torch.Generator().manual_seed(seed)).to(dtype) for seed in (0, 1))
    a @ b
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        a @ b
        seconds.append(time.perf_counter() - began)
    return 2 * size**3 / statistics.median(seconds) / 1e9


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            found = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    except OSError:
        found = ""
    return found or platform.processor() or platform.machine()


def _minutes(minutes: float) -> str:
    return f"{minutes * 60:.0f} 秒" if minutes < 1 else f"{minutes:.1f} 分钟"
