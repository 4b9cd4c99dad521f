"""MathNAS: finds, in a search space of neural networks, the one that is best within given budgets, and runs it.

Table and Predictor predict and search from values measured block by block; SearchSpace, Supernet, Subnet and
TrainingStep train; Network and Translator run what was deployed. Arrays come in through the buffer protocol or DLPack,
and go out as arrays of NumPy. Calls that take time release the GIL.
"""

from mathnas._native import (
    Dataset,
    FoundNetwork,
    LearningRateSchedule,
    Network,
    Node,
    Predictor,
    SearchResult,
    SearchSpace,
    SpaceNode,
    StepResult,
    Subnet,
    Supernet,
    Table,
    TrainingStep,
    Translation,
    Translator,
    load_dataset,
)
from mathnas._native import version as __version__

__all__ = [
    "Dataset",
    "FoundNetwork",
    "LearningRateSchedule",
    "Network",
    "Node",
    "Predictor",
    "SearchResult",
    "SearchSpace",
    "SpaceNode",
    "StepResult",
    "Subnet",
    "Supernet",
    "Table",
    "TrainingStep",
    "Translation",
    "Translator",
    "__version__",
    "load_dataset",
]
