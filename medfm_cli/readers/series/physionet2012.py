"""The variables of the PhysioNet/CinC Challenge 2012: groups and units, as its page gives them."""

from __future__ import annotations

GROUPS: dict[str, tuple[str, ...]] = {
    "vitals": (
        "HR",
        "SysABP",
        "DiasABP",
        "MAP",
        "NISysABP",
        "NIDiasABP",
        "NIMAP",
        "RespRate",
        "Temp",
        "GCS",
        "Weight",
    ),
    "labs": (
        "Albumin",
        "ALP",
        "ALT",
        "AST",
        "Bilirubin",
        "BUN",
        "Cholesterol",
        "Creatinine",
        "Glucose",
        "HCO3",
        "HCT",
        "K",
        "Lactate",
        "Mg",
        "Na",
        "PaCO2",
        "PaO2",
        "pH",
        "Platelets",
        "SaO2",
        "TroponinI",
        "TroponinT",
        "WBC",
    ),
    "inputs": ("FiO2", "MechVent"),
    "outputs": ("Urine",),
    "static": ("Height", "ICUType", "Weight"),
}
"""What belongs where, in the order of the channels. Weight is static at 00:00, a channel later."""
UNITS: dict[str, str] = {
    **dict.fromkeys(("HR", "RespRate"), "bpm"),
    **dict.fromkeys(("SysABP", "DiasABP", "MAP", "NISysABP", "NIDiasABP", "NIMAP"), "mmHg"),
    **dict.fromkeys(("PaCO2", "PaO2"), "mmHg"),
    **dict.fromkeys(("HCT", "SaO2"), "%"),
    **dict.fromkeys(("ALP", "ALT", "AST"), "IU/L"),
    **dict.fromkeys(("Bilirubin", "BUN", "Cholesterol", "Creatinine", "Glucose"), "mg/dL"),
    **dict.fromkeys(("HCO3", "Lactate", "Mg"), "mmol/L"),
    **dict.fromkeys(("K", "Na"), "mEq/L"),
    **dict.fromkeys(("Platelets", "WBC"), "cells/nL"),
    **dict.fromkeys(("TroponinI", "TroponinT"), "µg/L"),
    "Albumin": "g/dL",
    "Temp": "°C",
    "Weight": "kg",
    "Urine": "mL",
}
UNITS_OF_ICU = {
    "1": "Coronary Care Unit",
    "2": "Cardiac Surgery Recovery Unit",
    "3": "Medical ICU",
    "4": "Surgical ICU",
}
"""What ICUType means."""
