"""The reports' words in English and Japanese. Sentences that hunts and the model wrote are for `reasons_ja`."""

from __future__ import annotations

from typing import Literal

from monitor.report.audit_phrases import AUDIT_WORDS

Language = Literal["en", "ja"]

_WORDS: dict[str, tuple[str, str]] = {
    "report": ("Traffic report", "通信監視レポート"),
    "incident_report": ("Incident report", "インシデントレポート"),
    "summary": ("Summary", "概要"),
    "seen": (
        "From {first} to {last} UTC ({span}) {flows} flows of {hosts} of our hosts were seen.",
        "{first} から {last}（UTC、{span}）に、内部ホスト {hosts} 台の通信 {flows} フローを観測しました。",
    ),
    "nothing_seen": ("No flow was seen.", "フローは観測されませんでした。"),
    "found": ("{n} incidents were found: {severities}.", "インシデントは {n} 件です（{severities}）。"),
    "found_one": ("One incident was found, of severity {severities}.", "インシデントは 1 件です（{severities}）。"),
    "none_found": (
        "No incident was found. The hunts and the model looked at every flow.",
        "インシデントはありません。全フローをハントとモデルで検査しました。",
    ),
    "none_found_unscored": (
        "No incident was found. The hunts looked at every flow; no model scored them.",
        "インシデントはありません。全フローをハントで検査しました（モデルによるスコア付けはしていません）。",
    ),
    "look_first": ("Look first at {host}: {title}.", "最初に確認すべきホスト：{host}（{title}）。"),
    "partial": (
        "The replay was interrupted: only the packets read until then are in this report.",
        "リプレイは途中で中断されました。それまでに読み込んだパケットのみの結果です。",
    ),
    "damaged": (
        "The input was damaged; what follows the damage is missing.",
        "入力が破損しており、破損箇所以降は含まれません。",
    ),
    "blind": (
        "{share} of the packets could not be decoded; see Sensor health.",
        "パケットの {share} を解析できませんでした（「センサーの状態」参照）。",
    ),
    "timeline": ("Traffic and incidents over time", "通信量とインシデントの推移"),
    "timeline_note": (
        "Bytes by the time at which a flow began, on a square-root scale. Bars below are the listed incidents.",
        "フロー開始時刻ごとのバイト数（平方根目盛）。下の帯はインシデントで、番号は一覧と同じです。",
    ),
    "sent": ("sent", "送信"),
    "received": ("received", "受信"),
    "incidents": ("Incidents", "インシデント"),
    "severity": ("severity", "重大度"),
    "critical": ("critical", "緊急"),
    "high": ("high", "高"),
    "medium": ("medium", "中"),
    "low": ("low", "低"),
    "what": ("what", "内容"),
    "host": ("host", "ホスト"),
    "peer": ("peer", "相手"),
    "time": ("time (UTC)", "時刻 (UTC)"),
    "flows": ("flows", "フロー"),
    "packets": ("packets", "パケット"),
    "bytes": ("bytes", "バイト"),
    "why": ("Why", "理由"),
    "gauge_note": (
        "Where a usual range is known, the dot is the value and the bar the range, on a logarithmic scale.",
        "通常範囲が分かる場合、点が値、帯が通常範囲です（対数目盛）。",
    ),
    "peers": ("Peers in that time", "同時間帯の通信相手"),
    "names": ("Names", "名前"),
    "attack": ("ATT&CK", "ATT&CK"),
    "score": ("score", "スコア"),
    "story": ("Part of story", "一連の攻撃"),
    "flow_ids": ("Flows (Community ID)", "フロー（Community ID）"),
    "packets_of": ("Get its packets", "パケットの取り出し"),
    "runbook": ("Runbook", "対応手順"),
    "upload": ("What the host sent; this incident shaded", "ホストの送信量（網掛けは本件の時間帯）"),
    "intervals": ("Time between calls", "通信間隔"),
    "sizes": ("Bytes sent in each call", "各通信の送信バイト数"),
    "matrix": ("What was tried; full cells answered", "探索された対象（濃いセルは応答あり）"),
    "ports": ("ports", "ポート"),
    "targets": ("targets", "対象"),
    "others": ("Further incidents", "その他のインシデント"),
    "services": ("Services", "サービス"),
    "service": ("service", "サービス"),
    "hosts": ("Busiest hosts", "通信量の多いホスト"),
    "health": ("Sensor health", "センサーの状態"),
    "balance": (
        "{packets} packets = {decoded} decoded + {ignored} ignored + {dropped} dropped.",
        "パケット {packets} = 解析 {decoded} + 対象外 {ignored} + 破棄 {dropped}。",
    ),
    "reason": ("reason", "理由"),
    "outcome": ("what became of them", "扱い"),
    "ignored": ("ignored", "対象外"),
    "dropped": ("dropped", "破棄"),
    "evicted": ("Flows ended early for want of room: {n}.", "容量不足で早期終了したフロー：{n}。"),
    "missed": ("Payload that was sent but never seen: {n}.", "送信されたが観測できなかったペイロード：{n}。"),
    "from_store": (
        "This report is from the store alone: how its packets were decoded is in the sensor's metrics.",
        "保存済みデータのみから作成したため、パケットの解析状況はセンサーのメトリクスを参照してください。",
    ),
    "made": ("How this was made", "作成方法"),
    "version": ("monitor", "monitor"),
    "model": ("model", "モデル"),
    "not_scored": ("none: flows were not scored", "なし（スコア付けなし）"),
    "learnt": ("learnt from", "学習期間"),
    "run": ("run", "実行"),
    "store": ("store", "保存先"),
    "created": ("made at", "作成日時"),
    "inputs": ("inputs", "入力"),
    "not_hashed": ("SHA-256 not known", "SHA-256 不明"),
    "settings": ("settings that are not the defaults", "既定値と異なる設定"),
    "all_defaults": ("none", "なし"),
    "skip": ("Skip to incidents", "インシデントへ移動"),
    "live": ("live traffic", "監視対象の通信（ライブ）"),
}


def words(language: Language) -> dict[str, str]:
    """All words and sentences of a language, by their keys."""
    return {key: pair[language == "ja"] for key, pair in {**_WORDS, **AUDIT_WORDS}.items()}
