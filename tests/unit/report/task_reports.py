"""Reports of every kind of task, measured on examples that are invented."""

import numpy as np

from headrace.evaluate.answers import instruction_report, preference_report
from headrace.evaluate.classification import classification_report, multi_label_report
from headrace.evaluate.tagging import frequent_tags, tagging_baseline, tagging_report
from headrace.evaluate.task_report import AnyTaskReport, Baseline
from headrace.evaluate.translation import translation_report

CHINESE_LABELS = ("好评", "中评", "差评：质量或物流有问题的", "无法判断")
SENTENCES = (
    (("Anna Smith flew from Paris to Berlin .").split(), "B-PER I-PER O O B-LOC O B-LOC O".split()),
    (("IBM opened an office in New York").split(), "B-ORG O O O O B-LOC I-LOC".split()),
    (("王 小明 在 北京 工作").split(), "B-PER I-PER O B-LOC O".split()),
    (("Nobody of note came today").split(), "O O O O O".split()),
)
PAIRS = (
    ("Click the Save button to store the document.", "单击“保存”按钮存储文档。", "点击“保存”按钮保存文档。"),
    ("Opens the dialog.", "打开对话框。", "打开对话框。"),
    ("Select the cells that you want to format.", "选择要设置格式的单元格。", "选择要删除的单元格格式。"),
    ("Inserts a new table into the document at the cursor.", "在光标处向文档中插入新表格。", "插入插入插入表格。"),
)


def classified(text: str = "请问这个多少钱 <b>", label: str = "", *, num_labels: int = 4) -> AnyTaskReport:
    """Classes with Chinese names; `label` is put before each of them."""
    random = np.random.default_rng(0)
    truth_N = random.choice(num_labels, 600, p=np.linspace(2, 0.4, num_labels) / np.linspace(2, 0.4, num_labels).sum())
    logits_NC = random.normal(size=(600, num_labels)) + 2.2 * np.eye(num_labels)[truth_N]
    labels = [label + (CHINESE_LABELS[c] if c < len(CHINESE_LABELS) else f"class {c}") for c in range(num_labels)]
    probability_NC = np.exp(logits_NC) / np.exp(logits_NC).sum(axis=1, keepdims=True)
    return classification_report(
        truth_N, probability_NC, labels=labels, seed=0, texts=[f"{n}. {text}" for n in range(600)]
    )


def labelled(text: str = "a text") -> AnyTaskReport:
    """Several labels per text."""
    random = np.random.default_rng(0)
    truth_NC = random.random((200, 3)) < 0.3
    probability_NC = np.clip(random.normal(size=(200, 3)) * 0.25 + 0.3 + 0.4 * truth_NC, 0, 1)
    return multi_label_report(
        truth_NC, probability_NC, labels=("urgent", text[:40], "质量"), seed=0, texts=[text] * 200
    )


def tagged(word: str = "Smith", kind: str = "PER") -> AnyTaskReport:
    """Sentences in two languages, with guesses that err in every way."""
    random = np.random.default_rng(0)
    sentences = [SENTENCES[n % 4] for n in range(80)]
    tokens = [[word if w == "Smith" else w for w in words] for words, _ in sentences]
    truth = [[tag.replace("PER", kind) for tag in tags] for _, tags in sentences]
    names = ["O", f"B-{kind}", "I-LOC", "B-ORG"]
    guess = [[str(random.choice(names)) if random.random() < 0.12 else tag for tag in tags] for tags in truth]
    baseline = tagging_baseline("most frequent tag", truth, frequent_tags(tokens[:2], truth[:2], tokens))
    return tagging_report(truth, guess, tokens=tokens, seed=0, baselines=[baseline])


def translated(text: str = "") -> AnyTaskReport:
    """English into Chinese."""
    sources, references, guesses = (list(side) * 3 for side in zip(*PAIRS, strict=True))
    return translation_report(
        sources, references, [guess + text for guess in guesses], target_language="zh", seed=0,
        train_pairs=[("Opens a file dialog.", "打开文件对话框。"), ("Save a document.", "保存文档。" + text)],
        num_resamples=50,
    )  # fmt: skip


def answered(text: str = "巴黎") -> AnyTaskReport:
    """Answers with what the model says."""
    prompts, references = ["Capital of France?", "法国的首都是哪里？"] * 5, ["Paris", text] * 5
    return instruction_report(
        np.linspace(0.5, 4, 10), np.arange(2, 12), prompts=prompts, references=references,
        guesses=["paris.", "里昂"] * 5, seed=0, baselines=[Baseline("before training", {"answer_loss": 1.4})],
    )  # fmt: skip


def preferred(text: str = "a polite answer") -> AnyTaskReport:
    """Pairs of answers."""
    random = np.random.default_rng(0)
    chosen, rejected = random.normal(0.4, 1, 60), random.normal(-0.4, 1, 60)
    return preference_report(chosen, rejected, prompts=[text] * 60, chosen=[text] * 60, rejected=["no"] * 60, seed=0)
