/* What a C program reaches that keeps the same flow statistics as monitor/flows: the yardstick for our kernels.
 *
 * Reads a mapped Ethernet pcap (µs, this machine's byte order), decodes VLAN, IPv4 (options, fragments), IPv6 (extension
 * headers), TCP, UDP and ICMP, keeps flows in a bounded hash table aged by a timer wheel with the product's timeouts, and
 * copies finished records out. No tunnels, no application protocols, no duplicates. One thread.
 * Prints a line of JSON a round. Usage: limit FILE [ROUNDS] */
#include <fcntl.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

typedef uint8_t u8; typedef uint16_t u16; typedef uint32_t u32; typedef uint64_t u64; typedef int64_t i64;
enum { MAX_FLOWS = 1 << 20, INDEX = 1 << 21, WHEEL = 512, SPLT = 16, ENTROPY = 256, FRAGMENTS = 4096, OUT = 1 << 15 };
enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };
enum { INACTIVE, SYN_SENT, ESTABLISHED, CLOSED, RESET };
#define SECOND 1000000LL
static const i64 ATTEMPT = 5 * SECOND, ENDED = 5 * SECOND, TCP_IDLE = 300 * SECOND, IDLE = 60 * SECOND,
                 ACTIVE = 1800 * SECOND;

typedef struct { u64 a_hi, a_lo, b_hi, b_lo; u16 port_a, port_b; u16 proto, vlan; } Key;
typedef struct {
  Key key; u64 hash; i64 time; const u8 *payload; u32 ip_bytes, payload_len, payload_cap, seq, ack;
  u16 window; u8 flags, fragment, sender;
} Packet;
typedef struct {
  u64 packets, bytes, payload; i64 first, last; double len_squares, iat_squares; u64 missed;
  u32 len_min, len_max, iat_min, iat_max, next_seq, retransmits, out_of_order, zero_windows;
  float entropy; u8 flags, state, seq_known;
} Side;
typedef struct {
  Key key; u64 hash; i64 start, last; i64 syn_time; u32 rtt; int next, prev, bucket; u8 origin, closed, answered, splt, reason;
  int32_t splt_len[SPLT]; u32 splt_iat[SPLT];
  Side side[2];
} Flow;
typedef struct { Flow flow; u64 id; double duration; float mean[2][2], deviation[2][2]; u8 state; } Record;
typedef struct { u64 src, dst; u32 id; u16 sport, dport; } Fragment;

static u64 *table; static Flow *flows; static int *unused, wheel[WHEEL]; static Record *out;
static int n_unused, fresh; static i64 tick; static u64 exported, decoded, evicted;
static Fragment *fragments; static double clog[ENTROPY + 1], logs[ENTROPY + 1];

static inline u16 be16(const u8 *p) { u16 v; memcpy(&v, p, 2); return __builtin_bswap16(v); }
static inline u32 be32(const u8 *p) { u32 v; memcpy(&v, p, 4); return __builtin_bswap32(v); }
static inline u64 be64(const u8 *p) { u64 v; memcpy(&v, p, 8); return __builtin_bswap64(v); }
static inline u64 mix(u64 h, u64 v) { h = (h ^ v) * 0xFF51AFD7ED558CCDu; return h ^ h >> 32; }

static int decode(const u8 *p, const u8 *end, u32 wire, Packet *k) {
  const u8 *wire_end = p + wire; u64 s_hi, s_lo, d_hi, d_lo; u32 id = 0; int proto, more = 0, offset = 0;
  if (end - p < 14) return 0;
  u16 ether = be16(p + 12); p += 14; k->key.vlan = 0;
  while (ether == 0x8100 || ether == 0x88A8) {
    if (end - p < 4) return 0;
    if (!k->key.vlan) k->key.vlan = be16(p) & 0xFFF;
    ether = be16(p + 2); p += 4;
  }
  if (ether == 0x0800) {
    if (end - p < 20 || p[0] >> 4 != 4) return 0;
    int header = (p[0] & 15) * 4; u32 total = be16(p + 2);
    if (header < 20 || total < (u32)header || end - p < header) return 0;
    s_hi = d_hi = 0; s_lo = 0xFFFF00000000u | be32(p + 12); d_lo = 0xFFFF00000000u | be32(p + 16);
    id = be16(p + 4); offset = be16(p + 6) & 0x1FFF; more = be16(p + 6) & 0x2000; proto = p[9];
    k->ip_bytes = total; wire_end = p + total; p += header;
  } else if (ether == 0x86DD) {
    if (end - p < 40 || p[0] >> 4 != 6) return 0;
    s_hi = be64(p + 8); s_lo = be64(p + 16); d_hi = be64(p + 24); d_lo = be64(p + 32);
    k->ip_bytes = 40 + be16(p + 4); wire_end = p + k->ip_bytes; proto = p[6]; p += 40;
    while (proto == 0 || proto == 43 || proto == 44 || proto == 60) {
      if (end - p < 8) return 0;
      int size = proto == 44 ? 8 : 8 + p[1] * 8;
      if (proto == 44) { offset = be16(p + 2) >> 3; more = p[3] & 1; id = be32(p + 4); }
      proto = p[0]; p += size;
      if (p > end || offset) break;
    }
    if (p > end) return 0;
  } else return 0;
  if (end > wire_end) end = wire_end;
  k->flags = 0; k->fragment = offset != 0; k->seq = k->ack = 0; k->window = 1;
  u16 sport = 0, dport = 0; long need = proto == 6 ? 20 : proto == 17 ? 8 : proto == 132 ? 12 : proto == 1 || proto == 58 ? 4 : 0;
  Fragment *f = &fragments[mix(mix(s_lo, d_lo), id) & (FRAGMENTS - 1)];
  if (offset) {
    if (f->src != s_lo || f->dst != d_lo || f->id != id) return 0;
    sport = f->sport; dport = f->dport;
  } else if (end - p < need) return 0;
  else if (proto == 6) {
    sport = be16(p); dport = be16(p + 2); k->seq = be32(p + 4); k->ack = be32(p + 8);
    int header = (p[12] >> 4) * 4; k->flags = p[13]; k->window = be16(p + 14);
    if (header < 20 || wire_end - p < header) return 0;
    p += header;
  } else if (proto == 17 || proto == 132) { sport = be16(p); dport = be16(p + 2); p += need; }
  else if (need) {
    int kind = p[0]; p += 4;
    if (kind == 8 || kind == 0) { sport = dport = 8; } else if (kind == 128 || kind == 129) { sport = dport = 128; }
    else { sport = kind; dport = p[-3]; }
  }
  if (more && !offset) *f = (Fragment){s_lo, d_lo, id, sport, dport};
  k->payload = p; k->payload_len = wire_end > p ? wire_end - p : 0; k->payload_cap = end > p ? end - p : 0;
  k->sender = s_hi > d_hi || (s_hi == d_hi && (s_lo > d_lo || (s_lo == d_lo && sport > dport)));
  k->key.proto = proto;
  if (k->sender) k->key = (Key){d_hi, d_lo, s_hi, s_lo, dport, sport, proto, k->key.vlan};
  else k->key = (Key){s_hi, s_lo, d_hi, d_lo, sport, dport, proto, k->key.vlan};
  u64 h = mix(mix(mix(k->key.a_hi ^ 0x9E3779B97F4A7C15u, k->key.a_lo), k->key.b_hi), k->key.b_lo);
  k->hash = mix(h, (u64)k->key.port_a << 32 | (u64)k->key.port_b << 16 | proto) * 0xC4CEB9FE1A85EC53u;
  return 1;
}

static inline i64 silence(const Flow *f) {
  if (f->key.proto != 6) return IDLE;
  return f->closed ? ENDED : !f->answered && f->side[f->origin].state == SYN_SENT ? ATTEMPT : TCP_IDLE;
}

static inline void schedule(int slot, i64 earliest) {
  Flow *f = &flows[slot]; i64 due = (f->last + silence(f)) / SECOND + 1;
  if (due < earliest) due = earliest;
  if (due > tick + WHEEL - 1) due = tick + WHEEL - 1;
  f->bucket = due & (WHEEL - 1); f->prev = -1; f->next = wheel[f->bucket];
  if (f->next >= 0) flows[f->next].prev = slot;
  wheel[f->bucket] = slot;
}

static inline void unschedule(int slot) {
  Flow *f = &flows[slot];
  if (f->prev >= 0) flows[f->prev].next = f->next; else wheel[f->bucket] = f->next;
  if (f->next >= 0) flows[f->next].prev = f->prev;
}

static void export(Flow *f, int reason) {
  Record *r = &out[exported++ & (OUT - 1)]; f->reason = reason; r->flow = *f;
  r->id = mix(f->hash, f->start); r->duration = (f->last - f->start) / 1e6;
  for (int s = 0; s < 2; s++) {
    const Side *d = &f->side[s]; double n = d->packets, m = d->packets > 1 ? d->packets - 1 : 1;
    double len = n ? d->bytes / n : 0, iat = n > 1 ? (d->last - d->first) / m : 0, v = n ? d->len_squares / n - len * len : 0;
    double w = d->iat_squares / m - iat * iat;
    r->mean[s][0] = len; r->mean[s][1] = iat / 1e6;
    r->deviation[s][0] = sqrt(v > 0 ? v : 0); r->deviation[s][1] = sqrt(w > 0 ? w : 0) / 1e6;
  }
  u8 o = f->side[f->origin].state, p = f->side[!f->origin].state;
  r->state = p == RESET ? (o == SYN_SENT ? 4 : 8) : o == RESET ? 7 : o == CLOSED ? (p == CLOSED ? 3 : p ? 5 : 11)
             : p == CLOSED ? 6 : o == SYN_SENT && !p ? 1 : o == ESTABLISHED && p == ESTABLISHED ? 2 : 0;
}

static void finish(int slot, int reason) {
  export(&flows[slot], reason); unschedule(slot);
  u64 at = flows[slot].hash >> 32 & (INDEX - 1), gap;
  while ((u32)table[at] != (u32)slot + 1) at = (at + 1) & (INDEX - 1);
  for (gap = at;;) {
    at = (at + 1) & (INDEX - 1);
    if (!table[at]) break;
    u64 home = table[at] >> 32 & (INDEX - 1);
    if (((at - home) & (INDEX - 1)) >= ((at - gap) & (INDEX - 1))) { table[gap] = table[at]; gap = at; }
  }
  table[gap] = 0; unused[n_unused++] = slot;
}

static void age(i64 second) {
  if (!tick || second - tick > WHEEL) tick = tick ? second - WHEEL : second;
  for (; tick < second; tick++)
    for (int slot; (slot = wheel[(tick + 1) & (WHEEL - 1)]) >= 0;)
      if (flows[slot].last + silence(&flows[slot]) < second * SECOND) finish(slot, 1);
      else { unschedule(slot); schedule(slot, tick + 2); }
}

static float entropy(const u8 *p, u32 n) {
  u16 counts[256] = {0}; double total = 0;
  if (n > ENTROPY) n = ENTROPY;
  for (u32 i = 0; i < n; i++) counts[p[i]]++;
  for (int i = 0; i < 256; i++) total += clog[counts[i]];
  return n ? logs[n] - total / n : 0;
}

static void tcp(Flow *f, Side *s, Side *peer, const Packet *k) {
  u8 flags = k->flags;
  if ((flags & (SYN | ACK)) == (SYN | ACK) && !s->state && !peer->state) f->origin = !k->sender;
  int initiator = k->sender == f->origin;
  s->flags |= flags;
  if ((flags & (SYN | ACK)) == SYN && initiator) f->syn_time = k->time;
  else if (!f->rtt && f->syn_time && initiator && flags & ACK && peer->flags & SYN) f->rtt = k->time - f->syn_time;
  if (flags & RST) { s->state = RESET; f->closed = 1; return; }
  u32 begin = k->seq + !!(flags & SYN), end = begin + k->payload_len + (flags & FIN);
  if (!s->seq_known) { s->seq_known = 1; s->next_seq = end; s->payload += k->payload_len; }
  else if (end != begin) {
    int32_t gap = begin - s->next_seq, reach = end - s->next_seq;
    if (gap >= 0) { s->missed += gap; s->payload += k->payload_len + gap; s->next_seq = end; }
    else if (reach > 0) { s->payload += reach; s->next_seq = end; }
    else if (s->missed >= k->payload_len && k->payload_len) { s->missed -= k->payload_len; s->out_of_order++; }
    else if (k->payload_len > 1) s->retransmits++;
  }
  if (flags & ACK && peer->seq_known) {
    int32_t unseen = k->ack - peer->next_seq;
    if (unseen > 0 && unseen < 1 << 26) { peer->missed += unseen; peer->payload += unseen; peer->next_seq = k->ack; }
  }
  if (!k->window && !(flags & SYN)) s->zero_windows++;
  if (flags & SYN) {
    if (!(flags & ACK)) { if (!s->state) s->state = SYN_SENT; }
    else { s->state = ESTABLISHED; if (peer->state == SYN_SENT) peer->state = ESTABLISHED; }
  } else if (flags & FIN) { s->state = CLOSED; if (peer->state == CLOSED) f->closed = 1; }
  else if (!s->state) s->state = ESTABLISHED;
}

static void count(const Packet *k) {
  u64 at = k->hash >> 32 & (INDEX - 1); int slot = -1; Flow *f = NULL;
  for (; table[at]; at = (at + 1) & (INDEX - 1))
    if (table[at] >> 32 == k->hash >> 32) {
      slot = (u32)table[at] - 1; f = &flows[slot];
      if (!memcmp(&f->key, &k->key, offsetof(Key, vlan))) break;
      slot = -1;
    }
  if (slot >= 0 && (k->time - f->last > silence(f) || (f->closed && (k->flags & (SYN | ACK | RST)) == SYN) ||
                    k->time - f->start >= ACTIVE)) {
    finish(slot, 2); slot = -1;
    for (at = k->hash >> 32 & (INDEX - 1); table[at]; at = (at + 1) & (INDEX - 1));
  }
  int born = slot < 0;
  if (born) {
    if (!n_unused && fresh == MAX_FLOWS) { evicted++; return; }
    slot = n_unused ? unused[--n_unused] : fresh++; f = &flows[slot];
    memset(f, 0, sizeof *f);
    f->key = k->key; f->hash = k->hash; f->start = f->last = k->time; f->origin = k->sender;
    f->side[0].len_min = f->side[0].iat_min = f->side[1].len_min = f->side[1].iat_min = UINT32_MAX;
    table[at] = k->hash >> 32 << 32 | (u32)(slot + 1);
  }
  Side *s = &f->side[k->sender], *peer = &f->side[!k->sender]; u32 len = k->ip_bytes;
  if (!s->packets) s->first = k->time;
  else {
    i64 gap = k->time - s->last; u32 iat = gap < 0 ? 0 : gap;
    if (iat < s->iat_min) s->iat_min = iat;
    if (iat > s->iat_max) s->iat_max = iat;
    s->iat_squares += (double)iat * iat;
  }
  s->last = k->time; s->packets++; s->bytes += len; s->len_squares += (double)len * len;
  if (len < s->len_min) s->len_min = len;
  if (len > s->len_max) s->len_max = len;
  if (f->splt < SPLT) {
    f->splt_len[f->splt] = k->sender == f->origin ? (int)len : -(int)len; f->splt_iat[f->splt++] = k->time - f->last;
  }
  f->last = k->time; f->answered |= k->sender != f->origin;
  if (k->payload_len && s->entropy == 0 && !k->fragment) s->entropy = entropy(k->payload, k->payload_cap);
  u8 closed = f->closed;
  if (k->key.proto == 6 && !k->fragment) tcp(f, s, peer, k);
  else s->payload += k->payload_len;
  if (!born && f->closed != closed) unschedule(slot);
  if (born || f->closed != closed) schedule(slot, tick + 1);
}

static void meter(const u8 *at, const u8 *end) {
  struct { u32 seconds, micros, captured, wire; } head; Packet k; u64 packets = 0;
  struct timespec from, to; clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
  memset(table, 0, INDEX * sizeof *table); memset(wheel, -1, sizeof wheel);
  exported = decoded = evicted = tick = n_unused = fresh = 0;
  for (at += 24; end - at >= (long)sizeof head; at += head.captured) {
    memcpy(&head, at, sizeof head); at += sizeof head; packets++;
    if (end - at < (long)head.captured) break;
    k.time = head.seconds * SECOND + head.micros;
    if (!decode(at, at + head.captured, head.wire, &k)) continue;
    decoded++;
    if (k.time / SECOND > tick) age(k.time / SECOND);
    count(&k);
  }
  for (int bucket = 0; bucket < WHEEL; bucket++)
    while (wheel[bucket] >= 0) finish(wheel[bucket], 4);
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
  double seconds = to.tv_sec - from.tv_sec + (to.tv_nsec - from.tv_nsec) / 1e9;
  printf("{\"packets\": %lu, \"decoded\": %lu, \"flows\": %lu, \"not_kept\": %lu, \"seconds\": %.4f, \"rate\": %.0f}\n",
         packets, decoded, exported, evicted, seconds, packets / seconds);
}

int main(int argc, char **argv) {
  struct stat about; int file = argc > 1 ? open(argv[1], O_RDONLY) : -1;
  if (file < 0 || fstat(file, &about)) { perror(argc > 1 ? argv[1] : "usage: limit FILE [ROUNDS]"); return 1; }
  const u8 *bytes = mmap(NULL, about.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
  if (bytes == MAP_FAILED || about.st_size < 24 || memcmp(bytes, "\xd4\xc3\xb2\xa1", 4)) {
    fprintf(stderr, "%s: no pcap with microseconds in this byte order\n", argv[1]); return 1;
  }
  table = calloc(INDEX, sizeof *table); flows = calloc(MAX_FLOWS, sizeof *flows); unused = calloc(MAX_FLOWS, sizeof *unused);
  out = calloc(OUT, sizeof *out); fragments = calloc(FRAGMENTS, sizeof *fragments);
  for (int i = 1; i <= ENTROPY; i++) { logs[i] = log2(i); clog[i] = i * logs[i]; }
  for (int round = argc > 2 ? atoi(argv[2]) : 1; round > 0; round--) meter(bytes, bytes + about.st_size);
  return 0;
}
