"""Say in French what the flags of a table mean to who reads the figures."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from ocsge.french import typographic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FLAGS_FR: Mapping[str, str] = MappingProxyType(
    {
        "default_cover": "Aucune image classée n'a servi : là où aucune couche ne décrit le sol, il a reçu la "
        "couverture par défaut.",
        "derived_zone_construite": "La zone construite est estimée à partir des bâtiments ; ce n'est pas celle de "
        "l'IGN.",
        "old_edition": "Une édition de la BD TOPO est antérieure au millésime : ce qui a été construit depuis manque.",
        "other_year": "Une source (RPG, zone construite ou polygones classés) est d'une autre année que le millésime.",
        "outside_data": "Le millésime est hors de la période que les données décrivent.",
        "exempted_parks": "La collectivité a choisi d'exempter les parcs et jardins publics.",
        "exempted_photovoltaic": "La collectivité a choisi d'exempter les centrales photovoltaïques au sol.",
        "anchored": "Cet état part de celui du millésime précédent : sans changement des données, il reste le même.",
        "preview": "Calcul à une résolution grossière : un aperçu, pas un chiffre à citer.",
        "coverage<99.5": "Une partie de la commune n'a pas de données.",
        "no_data": "La commune n'a aucune donnée.",
        "partial_codes": "Certains polygones officiels portent un code général ; ils ont l'état commun à tout ce que "
        "ce code recouvre.",
        "unclassified": "Des objets officiels dont le code ne dit pas l'état ont été laissés de côté.",
        "local_corrections": "Des corrections locales ont décidé la couverture ou l'usage de certains polygones.",
        "generated": "Chiffres fabriqués pour un essai : ils ne décrivent aucune commune réelle.",
        "incomplete": "Une partie du territoire n'a pas de données.",
        "coverage_unknown": "La part du territoire couverte par les données n'est pas connue.",
        "mixed_millesimes": "Les communes n'ont pas les mêmes millésimes : seuls des rythmes annuels sont additionnés.",
        "mixed_models": "Les communes n'ont pas été classées par le même modèle.",
        "mixed_rules": "Les communes n'ont pas été dérivées avec la même version des règles.",
        "mixed_cog": "Les communes ne viennent pas de la même édition du code officiel géographique.",
        "reference_incomplete": "Il manque une année de la période de référence : le plafond n'est pas connu.",
        "tranche_incomplete": "Il manque une année de la période en cours : la consommation n'est pas connue.",
        "no_tranche_year": "Le fichier ne contient aucune année de la période en cours.",
        "guarantee_unknown": "La garantie communale n'a pas été précisée : elle n'est pas appliquée.",
    }
)
"""Sentence of each flag of the tables of communes, of territories and of the ZAN."""


def flag_sentences(flags: object, *, unknown: Callable[[str], str] = str) -> list[str]:
    """Return a sentence a flag of a cell such as ``default_cover+preview``.

    Parameters
    ----------
    flags
        Names joined by ``+``; null has no sentence.
    unknown
        Writes the name of a flag that has no sentence of its own: as it is by default.
    """
    names = [name for name in str(flags or "").split("+") if name and name not in {"nan", "<NA>"}]
    return [
        typographic(FLAGS_FR[name] if name in FLAGS_FR else f"Signalement « {unknown(name)} ».")
        for name in dict.fromkeys(names)
    ]
