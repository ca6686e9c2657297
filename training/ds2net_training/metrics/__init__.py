"""How well a mask or a probability map agrees with the truth: plain numbers from plain arrays.

Arrays have shape (Y, X). A mask is read as false (0) and true (anything else); a probability map
is real-valued in [0, 1]. Nothing here rescales a map to its own minimum and maximum, except the
functions named ``paper_*``, which follow the evaluation of the DS²Net paper and exist only so that
numbers can be compared with it.

What counts when one or both of the masks are empty is said at each function; in short:

==================  ============  ====================  ===================
score               both empty    only truth empty      only prediction empty
==================  ============  ====================  ===================
Dice, IoU           1             0                     0
surface Dice        1             0                     0
HD95                0             NaN                   NaN
weighted F          NaN           NaN                   0
S-measure           1 - mean(p)   1 - mean(p)           the formula
E-measure           share of pixels below the threshold (truth empty), else the formula
==================  ============  ====================  ===================
"""

from __future__ import annotations

from ds2net_training.metrics.alignment import EMeasure, alignment_curve, e_measure
from ds2net_training.metrics.boundary import (
    TOLERANCE_PX,
    SurfaceDistances,
    hd95,
    hd95_of,
    surface_dice,
    surface_dice_of,
    surface_distances,
)
from ds2net_training.metrics.overlap import (
    FALSE_ALARM_SHARE,
    dice,
    false_alarm,
    iou,
    mean_absolute_error,
)
from ds2net_training.metrics.paper import PaperCurves, paper_curves, paper_levels
from ds2net_training.metrics.structure import s_measure
from ds2net_training.metrics.weighted_f import weighted_f

__all__ = [
    "FALSE_ALARM_SHARE",
    "TOLERANCE_PX",
    "EMeasure",
    "PaperCurves",
    "SurfaceDistances",
    "alignment_curve",
    "dice",
    "e_measure",
    "false_alarm",
    "hd95",
    "hd95_of",
    "iou",
    "mean_absolute_error",
    "paper_curves",
    "paper_levels",
    "s_measure",
    "surface_dice",
    "surface_dice_of",
    "surface_distances",
    "weighted_f",
]
