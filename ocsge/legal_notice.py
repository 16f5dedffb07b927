"""The sentences that go with every result a person may read."""

NO_BUILDING_RULE = "L'évaluation de l'artificialisation n'est pas une règle de constructibilité."
"""What the decree says of its own measure: printed under a stock, and written on every map."""
NOT_OFFICIAL = (
    "Chiffres dérivés de données publiques ; ils ne remplacent pas l'OCS GE de l'IGN et ne valent pas avis juridique."
)
DEMONSTRATION = "Démonstration : commune et données générées, aucune donnée réelle."
"""Printed on what was made from a shipped file that was generated, in the place of ``NOT_OFFICIAL``."""
TWO_MEASURES = (
    "La consommation d'ENAF et l'artificialisation nette sont deux mesures légales différentes : la première vient de "
    "fichiers fiscaux, la seconde de l'occupation du sol. Aucun taux de l'une ne s'applique à l'autre."
)
COMPLIANCE = {
    "within": "au rythme constaté, la consommation reste dans ce qui est permis",
    "pace_over": "la consommation tient encore dans ce qui est permis, mais le dépassera au rythme constaté",
    "over": "la consommation dépasse déjà ce qui est permis",
}
"""What each value of ``compliance`` of a trajectory means, within a sentence."""
