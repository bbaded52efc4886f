"""Reasons of incidents in Japanese: each stored English sentence by its form, with its values put in unchanged.

Sentences of hunts stand in the hunts (`reason_ja`); here are those of the model and of stories, and what values that
are words say. A sentence of no known form, such as an operator's own hunt's, stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from string import Formatter

from monitor.report.phrases import words

LONGEST = 4000
"""Characters of a reason that is looked at; hunts cut what is from the wire."""
STAGES = {
    "reconnaissance": "偵察",
    "initial access": "初期侵入",
    "command and control": "C2 通信",
    "discovery": "探索",
    "credential access": "認証情報の窃取",
    "lateral movement": "横展開",
    "exfiltration": "持ち出し",
    "impact": "影響",
}
SEVERITIES = {name: words("ja")[name] for name in ("critical", "high", "medium", "low")}
UNITS = {
    "d": "日", "h": "時間", "min": "分", "s": "秒", "ms": "ミリ秒", "µs": "マイクロ秒", "bit/byte": "ビット/バイト",
    "packet": "パケット", "packets": "パケット", "packets/s": "パケット/秒",
    "B/s": "B/秒", "kB/s": "kB/秒", "MB/s": "MB/秒", "GB/s": "GB/秒", "TB/s": "TB/秒",
}  # fmt: skip
MODEL = {
    # what the model says of a flow; of two that fit, the first
    "sent {}/s": "毎秒 {} を送信",
    "received {}/s": "毎秒 {} を受信",
    "exchanged {}/s": "毎秒 {} を送受信",
    "{} of the payload went out": "ペイロードの {} が送信",
    "lasted {}": "継続時間 {}",
    "handshake took {}": "ハンドシェイクに {}",
    "sent packets of {} on average": "送信パケット長は平均 {}",
    "smallest packet sent had {}": "最小の送信パケットは {}",
    "largest packet sent had {}": "最大の送信パケットは {}",
    "lengths of packets sent vary by {}": "送信パケット長のばらつきは {}",
    "first message was a packet of {}": "最初の要求は {} のパケット",
    "received packets of {} on average": "受信パケット長は平均 {}",
    "smallest packet received had {}": "最小の受信パケットは {}",
    "largest packet received had {}": "最大の受信パケットは {}",
    "lengths of packets received vary by {}": "受信パケット長のばらつきは {}",
    "first answer was a packet of {}": "最初の応答は {} のパケット",
    "sent a packet every {} on average": "平均 {} ごとにパケットを送信",
    "longest pause of the initiator was {}": "開始側の最長の中断は {}",
    "irregularity of the initiator's timing was {}": "開始側の送信間隔の不規則性は {}",
    "longest pause in the first 16 packets was {}": "最初の 16 パケット中の最長の中断は {}",
    "received a packet every {} on average": "平均 {} ごとにパケットを受信",
    "longest pause of the responder was {}": "応答側の最長の中断は {}",
    "irregularity of the responder's timing was {}": "応答側の送信間隔の不規則性は {}",
    "first answer came after {}": "最初の応答まで {}",
    "the direction changed after {} of the first packets": "最初のパケット群の {} で通信方向が交替",
    "entropy of the first payload sent was {}": "最初の送信ペイロードのエントロピーは {}",
    "entropy of the first payload received was {}": "最初の受信ペイロードのエントロピーは {}",
    "connection {}": "接続は{}",
    "{} of the packets were sent again or out of order": "パケットの {} が再送または順序の乱れ",
    "{} of the payload was never seen": "ペイロードの {} を観測できず",
    "receive window closed {} times": "受信ウィンドウの閉鎖 {} 回",
    "used a {}": "使用ポートは{}",
    "ran on {}": "使用ポートは{}",
    "ran over {}": "トランスポートは {}",
    # and of an hour of a host
    "opened {} connections": "接続を {} 件開始",
    "accepted {} connections": "接続を {} 件受け入れ",
    "called {} different hosts": "異なるホスト {} 台へ通信",
    "was called by {} different hosts": "異なるホスト {} 台から通信",
    "called {} different ports": "異なるポート {} 個へ通信",
    "failed to connect {} times": "接続の失敗 {} 回",
    "{} of its connections failed": "接続の {} が失敗",
    "{} of its traffic went out": "通信量の {} が送信",
    "sent {} in one connection": "1 接続で {} を送信",
    "had a connection of {}": "{} の接続",
    "looked up {} different names": "異なる名前を {} 件照会",
    "looked up {} names that do not exist": "存在しない名前を {} 件照会",
    "looked up {} names": "名前を {} 件照会",
    "sent {} a look-up": "照会ごとに {} を送信",
    "had {} ICMP exchanges": "ICMP のやり取り {} 件",
    "exchanged {} over ICMP": "ICMP で {} を送受信",
    "used {} different services": "異なるサービスを {} 種使用",
    "exchanged {} in unknown protocols": "不明なプロトコルで {} を送受信",
    "had {} connections on the port of another service": "他のサービスのポートへの接続 {} 件",
    "had {} connections of a TLS client that no other host uses": "他のホストにない TLS クライアントの接続 {} 件",
    "met {} hosts for the first time": "初めての相手 {} 台と通信",
    "moved {} times its usual volume of this hour of the week": "通信量が同じ曜日・時間帯の通常の {} 倍",
    "was active in {} hours at which it never is": "普段は活動しない {} 時間に活動",
    "sent {}": "{} を送信",
    "received {}": "{} を受信",
    "exchanged {}": "{} を送受信",
}  # fmt: skip
"""What the model finds strange (`model.features`, `model.host_features`), `{}` for the value."""
WORDS = {
    "closed normally": "正常終了",
    "still open": "未終了",
    "seen from the middle": "途中から観測",
    "closed by one side": "片側のみ終了",
    "reset by the initiator": "開始側がリセット",
    "reset by the responder": "応答側がリセット",
    "half seen": "片方向のみ観測",
    "reset before an answer": "応答前にリセット",
    "refused": "拒否",
    "never answered": "応答なし",
    "well-known port (below 1024)": "ウェルノウンポート（1024 未満）",
    "registered port (1024–49151)": "登録済みポート（1024–49151）",
    "dynamic port (49152 and up)": "動的ポート（49152 以上）",
    "its own port": "本来のポート",
    "the port of another service": "他のサービスのポート",
    "another transport": "その他",
    "other services": "その他のサービス",
    "unknown services": "不明なサービス",
    "a host in 5 min": "ホスト（5 分間）",
    "a host in 1 h": "ホスト（1 時間）",
    "unknown": "不明なプロトコル",
    "ports": "ポート",
    "IP protocols": "IP プロトコル",
    "finished connections": "確立した接続",
    "half-open connections": "ハーフオープン接続",
    "DNS questions": "DNS 照会",
    "many of them forged or reflectors": "多くは詐称または踏み台",
    "which may be forged": "詐称の可能性あり",
    "something else than the port stands for": "ポート本来の用途と異なるプロトコル",
    "a remote control service": "遠隔操作サービス",
    "a service that sells tunnels": "VPN 提供サービス",
    "the host": "このホスト",
    "an hour": "1 時間",
    "a day": "1 日",
    "icmp echo": "icmp エコー",
}
"""Values that are words of ours, whole."""
FORMS = {
    r"the sensor (.+)": r"センサー \1",
    r"its service (.+)": r"サービス \1",
    r"is for (.*)": r"\1",
    r"under (.+) ": r" \1 配下の",
    r"port (\d+), a remote control tool's,": r"遠隔操作ツール用ポート \1",
    r"a tunnel on port (\d+)": r"トンネル（ポート \1）",
    r"(\w+) on port (\d+)": r"\1（ポート \2）",
    r"IP protocol (\d+)": r"IP プロトコル \1",
    r"port (\d+)": r"ポート \1",
    r"(tcp|udp) port (\d+) of (\S+)": r"\3 の \1 ポート \2",
    r"protocol (\d+) of (\S+)": r"\2 の IP プロトコル \1",
    r"protocol (\d+) port (\d+) of (\S+)": r"\3 の IP プロトコル \1 ポート \2",
    r"icmp of (\S+)": r"\1 の ICMP",
    r"(\S+) port (\d+)": r"\1 のポート \2",
    r"(\S+) in the DNS": r"\1（DNS）",
}
"""Values that are words of ours around text of others."""
SPOKEN = ("what", "kind", "spoofed", "spoken", "how", "lasting", "under", "service")
"""Fields of hunts whose values are such words; of any other field a value is a name, and stays."""
AROUND = ("target", "shown")
"""Fields whose values are a name with words of ours around it."""

_UNIT = re.compile(rf"(?<=\d) ({'|'.join(map(re.escape, sorted(UNITS, key=len, reverse=True)))})(?=–|$)")
_STRANGE = re.compile(r"(?P<what>.+); usual for (?P<whom>[^;]+?) is (?P<range>[^;]+)", re.DOTALL)
_STORY = re.compile(
    rf"(?P<stage>{'|'.join(STAGES)}) after (?P<before>.+) of (?P<host>\S+): "
    rf"raised from (?P<severity>{'|'.join(SEVERITIES)})"
)
_BEFORE = re.compile(rf"(\w+) \(({'|'.join(STAGES)})\)?")
_CONFIRMED = "the model finds it strange too: "


@lru_cache(maxsize=4096)
def reason_ja(text: str) -> str:
    """A stored reason in Japanese, every name and number in it; as it is when its form is not known."""
    if len(text) > LONGEST:
        return text
    if text.startswith(_CONFIRMED):
        return f"モデルの判定も異常：{reason_ja(text.removeprefix(_CONFIRMED))}"
    return _of_story(text) or _of_model(text) or _of_hunt(text) or text


def _of_hunt(text: str) -> str:
    for form, japanese in _hunts():
        if found := form.fullmatch(text):
            return _filled(japanese, found.groupdict())
    return ""


def _filled(japanese: str, values: Mapping[str, str]) -> str:
    """The sentence with the values in it: durations in Japanese units, words of ours translated, names as they are."""
    out = []
    for literal, name, kind, _ in Formatter().parse(japanese):
        out.append(literal)
        if name is not None:
            value = values[name]
            out.append(_measured(value) if kind == "duration" else value if kind else _spoken(name, value))
    return "".join(out)


def _spoken(name: str, value: str) -> str:
    if name not in SPOKEN + AROUND:
        return value
    for form, japanese in FORMS.items():
        if found := re.fullmatch(form, value):
            return found.expand(japanese)
    return WORDS.get(value, value) if name in SPOKEN else value


def _of_model(text: str) -> str:
    found = _STRANGE.fullmatch(text)
    if not found:
        return ""
    for form, japanese in _model():
        if what := form.fullmatch(found["what"]):
            said = japanese.replace("{}", _measured(what[1]))
            whom = WORDS.get(found["whom"]) or f"{found['whom']} "
            return f"{said}（{whom}の通常は {_measured(found['range'])}）"
    return ""


def _measured(value: str) -> str:
    """Numbers with their units, or the word that stands for one."""
    return WORDS.get(value) or _UNIT.sub(lambda unit: f" {UNITS[unit[1]]}", value)


def _of_story(text: str) -> str:
    found = _STORY.fullmatch(text)
    before = [_BEFORE.fullmatch(one) for one in found["before"].split(") and ")] if found else []
    if not found or not all(before):
        return ""
    after = "、".join(f"「{_titles().get(one[1], one[1])}」（{STAGES[one[2]]}）" for one in before if one)
    stage, severity = STAGES[found["stage"]], SEVERITIES[found["severity"]]
    return f"{found['host']} の{after}に続く{stage}のため、重大度を「{severity}」から引き上げ"


@cache
def _hunts() -> list[tuple[re.Pattern[str], str]]:
    from monitor.detect import japanese_reasons

    return japanese_reasons()


@cache
def _titles() -> dict[str, str]:
    from monitor.detect import detector_titles

    return {name: japanese for name, (_, japanese) in detector_titles().items()}


@cache
def _model() -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile(re.escape(words).replace(r"\{\}", "(.+)")), japanese) for words, japanese in MODEL.items()]
