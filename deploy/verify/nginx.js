// What nginx.conf asks of each request: 204 if its token is right, else 401.

const LEEWAY = 5;

async function verify(r) {
    try {
        await judge(r);
        r.return(204);
    } catch (e) {
        r.headersOut["WWW-Authenticate"] = 'Bearer error="invalid_token"';
        r.return(401);
    }
}

async function judge(r) {
    const found = /^bearer ([\w-]+)\.([\w-]+)\.([\w-]+)$/i.exec(r.headersIn.Authorization || "");
    demand(found && found[0].length <= 8192);
    const header = read(found[1]);
    demand(header.alg === "ES256" && header.typ === "at+jwt" && header.crit === undefined && typeof header.kid === "string");
    const kinds = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
    const jwk = await keyOf(r, header.kid);
    const key = await crypto.subtle.importKey("spki", spki(jwk), kinds, false, ["verify"]);
    const signature = Buffer.from(found[3], "base64url");
    demand(signature.length === 64);
    const signed = Buffer.from(`${found[1]}.${found[2]}`);
    const genuine = await crypto.subtle.verify(kinds, key, signature, signed);
    demand(genuine);
    const claims = read(found[2]), now = Date.now() / 1000;
    demand(claims.iss === r.variables.issuer && typeof claims.sub === "string" && claims.sub !== "");
    demand(claims.aud === r.variables.audience || Array.isArray(claims.aud) && claims.aud.includes(r.variables.audience));
    demand(typeof claims.exp === "number" && claims.exp + LEEWAY > now);
    demand(claims.nbf === undefined || typeof claims.nbf === "number" && claims.nbf <= now + LEEWAY);
}

async function keyOf(r, kid) {
    const places = ["/.jwks", "/.jwks-again"];
    for (let i = 0; i < places.length; i++) {
        const answer = await r.subrequest(places[i], { method: "GET" });
        demand(answer.status === 200);
        const key = JSON.parse(answer.responseText).keys.find(key => key.kid === kid && key.crv === "P-256");
        if (key) {
            return key;
        }
    }
    throw new Error("unknown kid");
}

// The point as SubjectPublicKeyInfo: before 0.7.10 njs reads no JWK.
function spki(jwk) {
    const point = Buffer.concat([Buffer.from([4]), Buffer.from(jwk.x, "base64url"), Buffer.from(jwk.y, "base64url")]);
    demand(point.length === 65);
    return Buffer.concat([Buffer.from("3059301306072a8648ce3d020106082a8648ce3d030107034200", "hex"), point]);
}

function read(part) {
    const object = JSON.parse(Buffer.from(part, "base64url").toString());
    demand(object !== null && typeof object === "object" && !Array.isArray(object));
    return object;
}

function demand(so) {
    if (!so) {
        throw new Error("refused");
    }
}

export default { verify };
