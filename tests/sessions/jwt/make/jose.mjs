// Writes ../jose-*.json: tokens made by jose, each with what jose itself says of it.
// npm install jose@6.2.17 && node jose.mjs
import * as jose from 'jose'
import { readFileSync, writeFileSync } from 'node:fs'
import { createHmac, randomBytes } from 'node:crypto'

const version = JSON.parse(readFileSync('node_modules/jose/package.json')).version
const now = Math.floor(Date.now() / 1000)
const b64 = (bytes) => Buffer.from(bytes).toString('base64url')
const alice = { sub: '42', name: 'Ålice ✓ "q" \\', roles: ['admin', 'editor'], big: 9007199254740991, none: null }
const claims = { ...alice, iat: now, exp: now + 3600 }

const sign = (payload, header, key) => new jose.SignJWT(payload).setProtectedHeader(header).sign(key)
const hmac = (text, key, hash = 'sha256') => `${text}.${createHmac(hash, key).update(text).digest('base64url')}`
const raw = (header, payload, key) => hmac(`${b64(header)}.${b64(payload)}`, key)

class File {
  constructor(name, profile, keys, options) {
    Object.assign(this, { name, profile, keys, options, vectors: [] })
  }

  /** What the app, which verifies with jose, says of the cookie. */
  async app(token) {
    for (const key of this.keys) {
      try {
        const { payload } = await jose.jwtVerify(token, key, this.options)
        return { accepted: true, user: payload.sub ?? null }
      } catch (error) {
        if (error.code !== 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED') return { accepted: false, error: error.code ?? String(error) }
      }
    }
    return { accepted: false, error: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' }
  }

  async add(kind, id, token, expect = { user_id: null }) {
    const said = await this.app(token)
    if (kind !== 'negative' && !said.accepted) throw new Error(`${this.name} ${id}: jose refuses: ${said.error}`)
    this.vectors.push({ id, kind, cookie_header: `${this.profile.cookie}=${token}`, redis: 'none', expect, app_said: said })
  }

  good(id, token, payload = claims) {
    return this.add('positive', id, token, { user_id: payload.sub, data: payload })
  }

  bad(id, token) {
    return this.add('negative', id, token)
  }

  write() {
    const file = {
      name: this.name, framework: 'jwt', source: 'made by the library itself', versions: { node: process.version, jose: version },
      captured_at_ms: now * 1000, profile: { framework: 'jwt', ...this.profile, db: 0, subject: null },
      states: { none: [] }, vectors: this.vectors,
    }
    writeFileSync(`../${this.name}.json`, `${JSON.stringify(file, null, 1)}\n`)
  }
}

async function secrets() {
  const texts = ['a secret of more than sixty-four bytes, so that HS512 takes it, too: 2026', 'the old one']
  const [fresh, old] = texts.map((text) => new TextEncoder().encode(text))
  const file = new File('jose-secret', { cookie: 'session', secrets: texts }, [fresh, old], { clockTolerance: 0, maxTokenAge: '1000d' })
  const { publicKey, privateKey } = await jose.generateKeyPair('RS256')
  const hs = (payload, header = {}, key = fresh) => sign(payload, { alg: 'HS256', ...header }, key)
  for (const alg of ['HS256', 'HS384', 'HS512']) await file.good(alg, await sign(claims, { alg }, fresh))
  await file.good('typ JWT', await hs(claims, { typ: 'JWT' }))
  await file.good('typ application/at+jwt', await hs(claims, { typ: 'application/at+jwt' }))
  await file.good('signed with the old secret', await hs(claims, {}, old))
  await file.good('hints that nobody follows', await hs(claims, {
    kid: "x' OR 1=1--", jku: 'http://evil.test/jwks', x5u: 'http://evil.test/x5u',
  }))
  const number = { ...claims, sub: '9007199254740993', exp: now + 3600.5, nbf: now - 1 }
  await file.good('exp with a fraction', await hs(number), number)
  await file.add('anonymous', 'no sub', await hs({ iat: now, exp: now + 60 }), { user_id: null, data: { iat: now, exp: now + 60 } })
  await file.add('app-accepts', 'no exp', await hs({ ...alice, iat: now }), { user_id: '42' })
  await file.add('app-accepts', 'exp in milliseconds', await hs({ ...claims, exp: (now + 3600) * 1000 }), { user_id: '42' })
  await file.add('app-accepts', 'an aud for somebody', await hs({ ...claims, aud: 'shop' }), { user_id: '42' })
  await file.add('app-accepts', 'a logout token', await hs(claims, { typ: 'logout+jwt' }), { user_id: '42' })
  await file.add('app-accepts', 'a claim twice', raw('{"alg":"HS256"}', `{"sub":"7","sub":"42","iat":${now},"exp":${now + 60}}`, fresh), { user_id: '42' })

  await file.bad('expired', await hs({ ...claims, exp: now - 1 }))
  await file.bad('exp is now', await hs({ ...claims, exp: now }))
  await file.bad('exp is negative', await hs({ ...claims, exp: -1 }))
  await file.bad('exp is text', raw('{"alg":"HS256"}', `{"sub":"42","iat":${now},"exp":"9999999999"}`, fresh))
  await file.bad('nbf ahead', await hs({ ...claims, nbf: now + 600 }))
  await file.bad('iat ahead', await hs({ ...claims, iat: now + 600 }))
  const token = await hs(claims)
  const [header, payload, signature] = token.split('.')
  const evil = b64(JSON.stringify({ ...claims, sub: '1' }))
  await file.bad('wrong secret', await hs(claims, {}, new TextEncoder().encode('another secret of some forty bytes length')))
  await file.bad('tampered claims', `${header}.${evil}.${signature}`)
  await file.bad('no signature', `${header}.${payload}.`)
  await file.bad('two parts', `${header}.${payload}`)
  await file.bad('four parts', `${token}.x`)
  await file.bad('truncated signature', token.slice(0, -4))
  await file.bad('half a signature', `${header}.${payload}.${b64(Buffer.from(signature, 'base64url').subarray(0, 16))}`)
  await file.bad('truncated claims', `${header}.${payload.slice(0, -4)}.${signature}`)
  await file.bad('empty', '')
  for (const alg of ['none', 'None', 'NONE', 'nOnE']) {
    const head = b64(`{"alg":"${alg}"}`)
    await file.bad(`alg ${alg}`, `${head}.${evil}.`)
    await file.bad(`alg ${alg}, an HMAC beside it`, hmac(`${head}.${evil}`, fresh))
  }
  await file.bad('no alg', raw('{"typ":"JWT"}', JSON.stringify(claims), fresh))
  await file.add('app-accepts', 'alg twice', raw('{"alg":"RS256","alg":"HS256"}', JSON.stringify(claims), fresh), { user_id: '42' })
  await file.bad('alg is a list', raw('{"alg":["HS256"]}', JSON.stringify(claims), fresh))
  await file.bad('alg in lower case', raw('{"alg":"hs256"}', JSON.stringify(claims), fresh))
  await file.bad('RS256 of a key in its header', await sign(claims, { alg: 'RS256', jwk: await jose.exportJWK(publicKey) }, privateKey))
  await file.bad('unknown crit', raw('{"alg":"HS256","crit":["x"],"x":1}', JSON.stringify(claims), fresh))
  await file.bad('empty crit', raw('{"alg":"HS256","crit":[]}', JSON.stringify(claims), fresh))
  await file.bad('claims that are a list', raw('{"alg":"HS256"}', '[1]', fresh))
  await file.bad('claims that are a token', raw('{"alg":"HS256","cty":"JWT"}', token, fresh))
  await file.bad('a header that is no JSON', raw('{"alg":"HS256"', JSON.stringify(claims), fresh))
  await file.bad('claims nested 1000 deep', raw('{"alg":"HS256"}', `{"sub":"42","iat":${now},"exp":${now + 60},"a":${'['.repeat(1000)}${']'.repeat(999)}}`, fresh))
  const claim = { alg: 'dir', enc: 'A256GCM' }
  await file.bad('encrypted (JWE)', await new jose.EncryptJWT(claims).setProtectedHeader(claim).encrypt(randomBytes(32)))
  for (const [name, text] of [['huge', 'x'.repeat(8 * 1024)], ['huge beyond any header', 'x'.repeat(64 * 1024)]]) {
    await file.add('app-accepts', name, await hs({ ...claims, text }), { user_id: '42' })
  }
  const loose = (change) => change(token)
  await file.add('app-accepts', 'padded', loose((text) => `${text}=`), { user_id: '42' })
  await file.add('app-accepts', 'a blank in the signature', loose((text) => `${text.slice(0, -3)} ${text.slice(-3)}`), { user_id: '42' })
  file.write()
}

async function pair(name, alg, algs, extra = {}) {
  const { publicKey, privateKey } = await jose.generateKeyPair(alg, extra.generate)
  const stranger = await jose.generateKeyPair(alg, extra.generate)
  const pem = await jose.exportSPKI(publicKey)
  const profile = { cookie: 'session', secrets: [pem], issuer: 'https://shop.test', audience: ['shop', 'admin'] }
  const file = new File(`jose-${name}`, profile, [publicKey], { algorithms: algs, issuer: profile.issuer, audience: profile.audience })
  const full = { ...claims, iss: profile.issuer, aud: 'shop' }
  const of = async (one, header = {}, key = privateKey) => sign(one, { alg: algs[0], ...header }, key)
  for (const one of algs) {
    // WebCrypto ties an RSA key to one algorithm; the PEM does not.
    const key = await jose.importPKCS8(await jose.exportPKCS8(privateKey), one)
    file.keys = [await jose.importSPKI(pem, one)]
    await file.good(one, await sign(full, { alg: one }, key), full)
  }
  file.keys = [await jose.importSPKI(pem, algs[0])]
  const several = { ...full, aud: ['other', 'admin'] }
  await file.good('one of several audiences', await of(several), several)
  await file.bad('another aud', await of({ ...full, aud: 'other' }))
  await file.bad('no aud', await of({ ...full, aud: undefined }))
  await file.bad('no known aud in the list', await of({ ...full, aud: [['shop']] }))
  await file.bad('another iss', await of({ ...full, iss: 'https://shop.test/' }))
  await file.bad('no iss', await of({ ...full, iss: undefined }))
  await file.bad('iss is a list', await of({ ...full, iss: [profile.issuer] }))
  await file.bad("a stranger's key", await of(full, {}, stranger.privateKey))
  await file.bad("a stranger's key, in the header", await of(full, { jwk: await jose.exportJWK(stranger.publicKey) }, stranger.privateKey))
  await file.bad('expired', await of({ ...full, exp: now - 10 }))
  const text = b64('{"alg":"HS256"}') + '.' + b64(JSON.stringify(full))
  for (const [what, key] of [['', pem], [' without the last line feed', pem.trimEnd()]]) await file.bad(`HS256 with the public key as secret${what}`, hmac(text, key))
  await file.bad('HS256 with the DER of the public key', hmac(text, Buffer.from(pem.split('\n').slice(1, -1).join(''), 'base64')))
  await file.bad('alg none', `${b64('{"alg":"none"}')}.${b64(JSON.stringify(full))}.`)
  const [header, payload, signature] = (await of(full)).split('.')
  await file.bad('a signature of nothing', `${header}.${payload}.${b64(Buffer.alloc(Buffer.from(signature, 'base64url').length))}`)
  await file.bad('another algorithm over the signature', `${b64(JSON.stringify({ alg: extra.other }))}.${payload}.${signature}`)
  file.write()
}

await secrets()
await pair('rsa', 'RS256', ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'], { other: 'PS256', generate: { extractable: true } })
await pair('p256', 'ES256', ['ES256'], { other: 'ES384', generate: { extractable: true } })
await pair('p384', 'ES384', ['ES384'], { other: 'ES256', generate: { extractable: true } })
await pair('ed25519', 'EdDSA', ['EdDSA', 'Ed25519'], { other: 'ES256', generate: { extractable: true } })
