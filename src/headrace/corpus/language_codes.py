"""Codes of languages: those that documents can have, and those that exist. Light: recipes are checked by it."""

IDENTIFIED = frozenset(
    "ace af am an ar ary arz as az ba bcl be bg bn br bs ca crh cs cy da de dz el en eo es et eu ext fa fi fo fr fuv "
    "fy ga gcf gcr gd gl gom grc gu gug guw ha hbo he hi hr ht hu hy id ig is it ja jv ka kab kik kk km kn ko ku ky "
    "la lb lg lij ln lo lt ltg lv mg mk ml mn mr ms mt my ne nl nn no nso oc om or pa pcm pl ps pt qu ro ru rw sa sdh "
    "se si sk sl sn so sq sr st sv sw ta te tg th tk tl tr tt ug uk ur uz uzs vec vi vo wa xh yo zh zu zxx und".split()
)
"""What identification answers: all that the model knows, Cantonese and Wu counted as "zh", and "und"."""

TWO_LETTERS = frozenset(
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el "
    "en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu "
    "ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na "
    "nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn "
    "so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za "
    "zh zu".split()
)
"""ISO 639-1, with "bh" and "sh", which were in it once and are still written."""

MEANT = {
    "cn": "zh",
    "jp": "ja",
    "kr": "ko",
    "cz": "cs",
    "dk": "da",
    "gr": "el",
    "ua": "uk",
    "us": "en",
    "gb": "en",
    "vn": "vi",
    "yue": "zh",
    "wuu": "zh",
    "nb": "no",
    "eng": "en",
    "zho": "zh",
    "cmn": "zh",
    "deu": "de",
    "fra": "fr",
    "jpn": "ja",
    "spa": "es",
    "rus": "ru",
}
"""What people write -> the code that documents have: countries for languages, three letters where there are two."""


def hint(code: str) -> str:
    """Words on the code that was perhaps meant; "" if nobody knows."""
    return f" (did you mean {MEANT[code]}?)" if code in MEANT else ""
