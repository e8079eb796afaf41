import t from 'tap'
import { ipFromBytes, ipFromText } from '../../src/transport/ip-address.ts'

t.test('an address has one text form, whichever engine it came from', async (t) => {
  const forms: [bytes: string, fromNode: string, ip: string][] = [
    ['7f000001', '127.0.0.1', '127.0.0.1'],
    ['00000000000000000000ffffc0000201', '::ffff:192.0.2.1', '192.0.2.1'],
    ['00000000000000000000000000000001', '::1', '::1'],
    ['20010db8000000000000000000000a01', '2001:db8::a01', '2001:db8::a01'],
    ['fe800000000000000000000000000001', 'fe80::1%eth0', 'fe80::1'],
  ]
  for (const [bytes, fromNode, ip] of forms) {
    t.equal(ipFromBytes(Buffer.from(bytes, 'hex')), ip)
    t.equal(ipFromText(fromNode), ip)
  }
})

t.test('a connection that is gone already has no address', async (t) => {
  t.equal(ipFromBytes(new Uint8Array()), '')
  t.equal(ipFromText(undefined), '')
})
