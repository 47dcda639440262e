// SPDX-License-Identifier: Apache-2.0
//
// The little of H.264 (ITU-T H.264 Annex B, 7.3.2.1) that a player must know.

const kSps = 7;

// "avc1.42C01F" from the sequence parameter set of an access unit; null when it has none.
export function codecOf(accessUnit) {
  for (let at = 0; at + 6 < accessUnit.length; ++at) {
    const startCode = accessUnit[at] === 0 && accessUnit[at + 1] === 0 && accessUnit[at + 2] === 1;
    if (!startCode) continue;
    if ((accessUnit[at + 3] & 0x1f) !== kSps) continue;
    const profileAndLevel = accessUnit.subarray(at + 4, at + 7);  // profile, constraints, level
    return 'avc1.' + Array.from(profileAndLevel, (byte) => byte.toString(16).padStart(2, '0')).join('');
  }
  return null;
}
