"""Who gives out which numbers: tables of public numbering plans.

Sources: ITU-T E.164 country codes; SWIFT IBAN registry; GB/T 2260 (first two digits of Chinese regions).
"""


def _numbers(text: str) -> frozenset[str]:
    """ "7 30-32" is {"7", "30", "31", "32"}."""
    ends = [entry.partition("-") for entry in text.split()]
    return frozenset(str(n) for first, _, last in ends for n in range(int(first), int(last or first) + 1))


COUNTRY_CODES = _numbers(
    """
    1 7 20 27 30-34 36 39-41 43-49 51-58 60-66 81 82 84 86 90-95 98 211-213 216 218 220-258 260-269 290 291 297-299
    350-359 370-378 380-383 385-387 389 420 421 423 500-509 590-599 670 672-683 685-692 850 852 853 855 856 870 880-883
    886 960-968 970-977 979 992-996 998
    """
)

IBAN_LENGTHS = {
    word[:2]: int(word[2:])
    for word in """
    AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24
    FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32
    LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24
    RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30
    """.split()
}

CHINESE_REGIONS = _numbers("11-15 21-23 31-37 41-46 50-54 61-65 71 81-83 91")

PLATE_REGIONS = "京津沪滬渝冀豫云雲辽遼黑湘皖鲁魯新苏蘇浙赣贛鄂桂甘晋晉蒙陕陝吉闽閩贵貴粤粵青藏川宁寧琼瓊"
