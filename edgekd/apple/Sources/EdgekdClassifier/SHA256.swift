import Foundation

#if canImport(CryptoKit)
import CryptoKit

/// The digest in hexadecimal.
public func sha256(_ data: Data) -> String {
    SHA256.hash(data: data).map { String(format: "%02x", $0) }.joined()
}
#else
/// The digest in hexadecimal, where there is no CryptoKit. Source: FIPS 180-4.
public func sha256(_ data: Data) -> String {
    var padded = [UInt8](data) + [128]
    padded += [UInt8](repeating: 0, count: (120 - padded.count % 64) % 64)
    let bits = UInt64(data.count) * 8
    for byte in 0..<8 { padded.append(UInt8(truncatingIfNeeded: bits >> UInt64(56 - 8 * byte))) }
    var state = fractions(8) { $0.squareRoot() }
    let rounds = fractions(64) { cbrt($0) }
    var w = [UInt32](repeating: 0, count: 64)
    for block in stride(from: 0, to: padded.count, by: 64) {
        mix(&state, padded[block..<block + 64], rounds, &w)
    }
    return state.map { String(format: "%08x", $0) }.joined()
}

/// The first 32 bits of the fractional part of a root, of the first `count` primes.
private func fractions(_ count: Int, _ root: (Double) -> Double) -> [UInt32] {
    var primes: [Int] = []
    for n in 2... where primes.allSatisfy({ n % $0 != 0 }) {
        primes.append(n)
        if primes.count == count { break }
    }
    return primes.map { prime in
        let value = root(Double(prime))
        return UInt32((value - value.rounded(.down)) * 4_294_967_296)
    }
}

private func mix(_ state: inout [UInt32], _ block: ArraySlice<UInt8>, _ rounds: [UInt32], _ w: inout [UInt32]) {
    func rotate(_ x: UInt32, _ n: UInt32) -> UInt32 { (x >> n) | (x << (32 - n)) }
    for i in 0..<16 {
        var word: UInt32 = 0
        for byte in 0..<4 { word = word << 8 | UInt32(block[block.startIndex + 4 * i + byte]) }
        w[i] = word
    }
    for i in 16..<64 {
        let (x, y) = (w[i - 15], w[i - 2])
        let s0: UInt32 = rotate(x, 7) ^ rotate(x, 18) ^ (x >> 3)
        let s1: UInt32 = rotate(y, 17) ^ rotate(y, 19) ^ (y >> 10)
        w[i] = w[i - 16] &+ s0 &+ w[i - 7] &+ s1
    }
    var v = state
    for i in 0..<64 {
        let s1: UInt32 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25)
        let choice: UInt32 = (v[4] & v[5]) ^ (~v[4] & v[6])
        let t1: UInt32 = v[7] &+ s1 &+ choice &+ rounds[i] &+ w[i]
        let s0: UInt32 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22)
        let majority: UInt32 = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2])
        v = [t1 &+ s0 &+ majority, v[0], v[1], v[2], v[3] &+ t1, v[4], v[5], v[6]]
    }
    for i in 0..<8 { state[i] = state[i] &+ v[i] }
}
#endif
