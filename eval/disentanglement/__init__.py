"""How the dimensions of a code represent known factors: DCI, MIG, SAP and the FactorVAE score.

All take codes, (n, dimensions), and the factors' values, int (n, factors), of the same images. A factor's kind is
"categorical", "ordered" or "cyclic" (values once round a circle).
"""

from dcgan_features.eval.disentanglement.dci import DCI, dci, scores_of_importance
from dcgan_features.eval.disentanglement.decodability import linear_decodability
from dcgan_features.eval.disentanglement.factor_vae import factor_vae_score
from dcgan_features.eval.disentanglement.gaps import mutual_information_gap, sap_score

__all__ = [
    "DCI",
    "dci",
    "factor_vae_score",
    "linear_decodability",
    "mutual_information_gap",
    "sap_score",
    "scores_of_importance",
]
