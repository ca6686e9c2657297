"""SS-Net (Wu et al., MICCAI 2022, arXiv 2203.01324): learning from images without a mask as well.

Two losses need no mask. *Smoothness*: the prediction should not change when the input is moved a
little in the direction in which it changes most. *Compactness*: the features of a class should lie
near those of pixels of that class that were recognised in images with a mask.

`settings` is free of torch. Re-implemented from the formulas; `SemiSettings.strict_official`
says where the published code computes something else than it describes.
"""
