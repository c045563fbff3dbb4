"""Codes of currencies (ISO 4217): those in use, and those that went out of use since 1999, for older data.

Source: Unicode CLDR, currencyData of supplementalData.xml (https://cldr.unicode.org): legal tender of some territory in
1999 or later, with SVC and VED of ISO 4217's list one (SIX Interbank Clearing). Metals, funds and test codes are out.
"""

from __future__ import annotations

import difflib

_IN_USE = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY
    COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR
    ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK
    MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF
    SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU
    UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
"""
_WITHDRAWN = """
    AFA ANG AOR ATS AZM BEF BGL BGN BYB BYR CSD CUC CYP DEM EEK ESP FIM FRF GHC GRD HRK IEP ITL LTL LUF LVL MGF MRO
    MTL MZM NLG PTE ROL SDD SIT SKK SLL SRG STD TJR TMM TPE TRL VEB VEF YUM ZMK ZWD ZWL ZWR
"""
IN_USE, WITHDRAWN = frozenset(_IN_USE.split()), frozenset(_WITHDRAWN.split())
OTHER_NAMES = {"RMB": "CNY", "CNH": "CNY", "YUAN": "CNY", "EURO": "EUR", "STG": "GBP", "NTD": "TWD", "YEN": "JPY"}


def check_currency(code: str) -> str:
    """`code` when it is that of a currency, else ValueError with the nearest right code.

    >>> check_currency("CNY")
    'CNY'
    >>> check_currency("RMB")
    Traceback (most recent call last):
    ValueError: currency: 'RMB' is no currency's code (ISO 4217). Did you mean 'CNY'?
    """
    if code in IN_USE or code in WITHDRAWN:
        return code
    upper = code.upper()
    near = [OTHER_NAMES[upper]] if upper in OTHER_NAMES else difflib.get_close_matches(upper, sorted(IN_USE), n=3)
    words = " or ".join(f"'{code}'" for code in near)
    cure = f"Did you mean {words}?" if near else "Take a code such as CNY, EUR, GBP, JPY or USD."
    raise ValueError(f"currency: {code[:20]!r} is no currency's code (ISO 4217). {cure}")
